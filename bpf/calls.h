/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What calls.bpf.c counts for one function and call_probe.cpp reads once at the
 * end.
 */
#ifndef CALLS_H
#define CALLS_H

#include "testexp_hist.h"

/**
 * struct call_stats - the calls of one function, as one CPU saw them return
 * @hist: latency in ns of each call that was seen from entry to return; its count
 *	is 0, the buckets add up to it
 * @lost: entries whose time could not be kept, as the slots for calls in flight
 *	were taken
 * @unmatched: returns without a kept entry, and kept entries that gave way to the
 *	next call as their return never came
 *
 * No field is shared between CPUs; the sum over them is the answer.
 */
struct call_stats {
	struct testexp_hist hist;
	__u64 lost;
	__u64 unmatched;
};

/**
 * struct call - a call in flight
 * @frame: where it stands on the stack; 0 marks a free slot. Kernel stacks of
 *	live tasks do not overlap, so the frame alone tells all calls in flight
 *	apart, nested calls of one task included.
 * @start_ns: when it began
 */
struct call {
	__u64 frame;
	__u64 start_ns;
};

/*
 * Calls in flight at once: threads inside the function, times its recursion. Far
 * more than there will be, so that a call finds a free slot among its few.
 */
#define CALL_SLOT_BITS	13
#define CALL_SLOTS	(1u << CALL_SLOT_BITS)

#endif /* CALLS_H */
