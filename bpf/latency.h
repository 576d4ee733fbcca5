/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What latency.bpf.c counts for one function, per CPU, and latency.cpp reads
 * once at the end. No field is shared between CPUs; the sum over them is the
 * answer.
 */
#ifndef LATENCY_H
#define LATENCY_H

#include "testexp_hist.h"

/**
 * struct latency_stats - the calls of one function
 * @hist: latency in ns of each call that was seen from entry to return
 * @entered: entries whose time was kept; those not in @hist at the end never
 *	met their return
 * @lost: entries whose time could not be kept, as the slots for calls in flight
 *	were taken
 * @unmatched: returns without a kept entry
 */
struct latency_stats {
	struct testexp_hist hist;
	__u64 entered;
	__u64 lost;
	__u64 unmatched;
};

#endif /* LATENCY_H */
