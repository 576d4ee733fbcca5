/* SPDX-License-Identifier: GPL-2.0 */
/* A start gate: no thread passes before the last thread has arrived. */
#ifndef TESTEXP_GATE_H
#define TESTEXP_GATE_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/wait.h>

/**
 * struct gate - a place where threads wait for one another, once
 * @missing: number of threads that have not arrived yet
 * @open: the last thread has arrived
 * @abandoned: waiting threads return without passing
 * @opened_ticks: the clock when the gate opened; valid once @open is set
 * @wait: queue of the waiting threads
 */
struct gate {
	atomic_t missing;
	bool open;
	bool abandoned;
	u64 opened_ticks;
	wait_queue_head_t wait;
};

void testexp_gate_init(struct gate *gate, u32 parties);
void testexp_gate_arrive(struct gate *gate);
int testexp_gate_pass(struct gate *gate, u32 timeout_ms, bool interruptible);
bool testexp_gate_is_open(const struct gate *gate);
void testexp_gate_abandon(struct gate *gate);

#endif /* TESTEXP_GATE_H */
