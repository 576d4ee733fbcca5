/* SPDX-License-Identifier: GPL-2.0 */
/* The clock of MEASURE: the cycle counter on x86, nanoseconds elsewhere. */
#ifndef TESTEXP_CLOCK_H
#define TESTEXP_CLOCK_H

#include <linux/ktime.h>
#include <linux/timekeeping.h>

#ifdef CONFIG_X86

#include <asm/msr.h>
#include <asm/tsc.h>

static inline u64 testexp_clock(void)
{
	return rdtsc_ordered();
}

static inline u64 testexp_clock_khz(void)
{
	return tsc_khz;
}

#else

static inline u64 testexp_clock(void)
{
	return ktime_get_mono_fast_ns();
}

static inline u64 testexp_clock_khz(void)
{
	return 1000000;
}

#endif

#endif /* TESTEXP_CLOCK_H */
