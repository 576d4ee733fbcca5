/* SPDX-License-Identifier: GPL-2.0 */
/* A start gate: nobody passes before the last has come. */
#ifndef TESTEXP_GATE_H
#define TESTEXP_GATE_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/wait.h>

/**
 * struct gate - where threads wait for one another, once
 * @missing: parties that have not come yet
 * @open: the last has come
 * @abandoned: it opens no more
 * @opened_ticks: the clock when it opened, valid once @open is set
 * @wait: where those that have come are
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
