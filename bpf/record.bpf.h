/* SPDX-License-Identifier: GPL-2.0 */
/* What the BPF programs share: recording into a histogram, cheaply. */
#ifndef RECORD_BPF_H
#define RECORD_BPF_H

#include "hist_table.h"

/* Filled by the loader. */
const volatile __u16 hist_table[HIST_TABLE_SIZE] = {};

/*
 * testexp_hist_add() with the bound that the verifier cannot derive; 64 bits and
 * the barrier make the compiler check the very register that it then uses. The
 * count is left to whoever reads the buckets, as they add up to it.
 */
static __always_inline void record(struct testexp_hist *hist, __u64 value)
{
	__u64 index = hist_table_index(hist_table, value);

	barrier_var(index);
	if (index >= TESTEXP_HIST_BUCKETS)
		return;

	hist->sum += value;
	if (value < hist->min)
		hist->min = value;
	if (value > hist->max)
		hist->max = value;
	hist->buckets[index]++;
}

#endif /* RECORD_BPF_H */
