/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The histogram of this project: log-linear, 16 buckets per octave.
 *
 * The kernel module, the BPF programs and the C++ tools include this file, so that a bucket
 * index means the same everywhere. Values are unsigned 64-bit numbers in the unit of the
 * producer's clock. Each value from 0 to 15 has its own bucket. Above 15, each octave
 * [2^e, 2^(e+1)) has 16 buckets of equal width, so the edge of a bucket differs from a value
 * in it by at most 1/16 (6.25 %).
 */
#ifndef TESTEXP_HIST_H
#define TESTEXP_HIST_H

#ifndef __VMLINUX_H__ /* BPF programs get the types from vmlinux.h */
#include <linux/types.h>
#endif

#define TESTEXP_HIST_SUB_BITS	4
#define TESTEXP_HIST_SUB	16u /* 2^TESTEXP_HIST_SUB_BITS */
#define TESTEXP_HIST_BUCKETS	((64u - TESTEXP_HIST_SUB_BITS + 1) * TESTEXP_HIST_SUB)

/**
 * struct testexp_hist - a histogram, and exact values that buckets cannot give
 * @count: number of recorded values
 * @sum: sum of the recorded values, modulo 2^64
 * @min: smallest recorded value, exact; all ones while @count is 0
 * @max: largest recorded value, exact; 0 while @count is 0
 * @buckets: number of values in each bucket
 */
struct testexp_hist {
	__u64 count;
	__u64 sum;
	__u64 min;
	__u64 max;
	__u64 buckets[TESTEXP_HIST_BUCKETS];
};

/*
 * Returns the position of the highest set bit of v, which is not 0. BPF has no instruction for
 * this, and the BPF programs should have no loop, so the code has one step for each bit of the
 * result.
 */
static inline __u32 testexp_hist_log2(__u64 v)
{
	__u32 bit = 0;

	if (v >> 32) {
		v >>= 32;
		bit += 32;
	}
	if (v >> 16) {
		v >>= 16;
		bit += 16;
	}
	if (v >> 8) {
		v >>= 8;
		bit += 8;
	}
	if (v >> 4) {
		v >>= 4;
		bit += 4;
	}
	if (v >> 2) {
		v >>= 2;
		bit += 2;
	}
	return bit + (__u32)(v >> 1);
}

/* Returns the index of the bucket for @v: 0 to TESTEXP_HIST_BUCKETS - 1. */
static inline __u32 testexp_hist_index(__u64 v)
{
	__u32 shift;

	if (v < TESTEXP_HIST_SUB)
		return (__u32)v;

	shift = testexp_hist_log2(v) - TESTEXP_HIST_SUB_BITS;
	return shift * TESTEXP_HIST_SUB + (__u32)(v >> shift);
}

/* Returns the smallest value of bucket @index. */
static inline __u64 testexp_hist_lower(__u32 index)
{
	__u32 shift;

	if (index < 2 * TESTEXP_HIST_SUB)
		return index;

	shift = index / TESTEXP_HIST_SUB - 1;
	return (__u64)(index - shift * TESTEXP_HIST_SUB) << shift;
}

/* Returns the largest value of bucket @index. */
static inline __u64 testexp_hist_upper(__u32 index)
{
	if (index >= TESTEXP_HIST_BUCKETS - 1)
		return ~(__u64)0;
	return testexp_hist_lower(index + 1) - 1;
}

/* Empties @hist. Must be called before the first testexp_hist_add(). */
static inline void testexp_hist_reset(struct testexp_hist *hist)
{
	__u32 i;

	hist->count = 0;
	hist->sum = 0;
	hist->min = ~(__u64)0;
	hist->max = 0;
	for (i = 0; i < TESTEXP_HIST_BUCKETS; i++)
		hist->buckets[i] = 0;
}

/* Records @v. The caller serialises the calls. */
static inline void testexp_hist_add(struct testexp_hist *hist, __u64 v)
{
	hist->count++;
	hist->sum += v;
	if (v < hist->min)
		hist->min = v;
	if (v > hist->max)
		hist->max = v;
	hist->buckets[testexp_hist_index(v)]++;
}

#endif /* TESTEXP_HIST_H */
