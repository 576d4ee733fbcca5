/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The buckets of small values, looked up: BPF has no instruction for the highest
 * bit, and the search for it costs a tenth of the whole probe.
 */
#ifndef HIST_TABLE_H
#define HIST_TABLE_H

#include "testexp_hist.h"

/* 2^6 * TESTEXP_HIST_SUB: a value that is too large by up to 6 bits keeps enough of them. */
#define HIST_TABLE_SIZE	1024u

/* Fills @table, of HIST_TABLE_SIZE. */
static inline void hist_table_fill(volatile __u16 *table)
{
	__u32 value;

	for (value = 0; value < HIST_TABLE_SIZE; value++)
		table[value] = (__u16)testexp_hist_index(value);
}

/*
 * testexp_hist_index(). For values from 16 on, the five highest bits choose the bucket. A value
 * that is shifted right by k bits falls into the bucket that is k octaves lower.
 */
static inline __attribute__((always_inline)) __u64
hist_table_index(const volatile __u16 *table, __u64 value)
{
	if (__builtin_expect(value < HIST_TABLE_SIZE, 1))
		return table[value];
	if (value >> 6 < HIST_TABLE_SIZE)
		return table[value >> 6] + 6 * TESTEXP_HIST_SUB;
	if (value >> 12 < HIST_TABLE_SIZE)
		return table[value >> 12] + 12 * TESTEXP_HIST_SUB;
	if (value >> 18 < HIST_TABLE_SIZE)
		return table[value >> 18] + 18 * TESTEXP_HIST_SUB;
	return testexp_hist_index(value);
}

#endif /* HIST_TABLE_H */
