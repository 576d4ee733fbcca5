// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <linux/sched.h>

#include "bench/clock.h"
#include "bench/gate.h"

void testexp_gate_init(struct gate *gate, u32 parties)
{
	atomic_set(&gate->missing, parties);
	gate->open = false;
	gate->abandoned = false;
	gate->opened_ticks = 0;
	init_waitqueue_head(&gate->wait);
}

/* Each thread calls this function once, even a thread that will not wait. */
void testexp_gate_arrive(struct gate *gate)
{
	if (!atomic_dec_and_test(&gate->missing))
		return;

	gate->opened_ticks = testexp_clock();
	/* Pairs with testexp_gate_is_open(): a thread that sees open also sees opened_ticks. */
	smp_store_release(&gate->open, true);
	wake_up_all(&gate->wait);
}

bool testexp_gate_is_open(const struct gate *gate)
{
	/* Pairs with testexp_gate_arrive(). */
	return smp_load_acquire(&gate->open);
}

/*
 * Waiting threads return without having passed the gate. A gate that is open stays open.
 */
void testexp_gate_abandon(struct gate *gate)
{
	WRITE_ONCE(gate->abandoned, true);
	wake_up_all(&gate->wait);
}

/**
 * testexp_gate_pass - wait until all threads have arrived
 * @gate: a gate at which the caller has arrived
 * @timeout_ms: longest time to wait
 * @interruptible: whether a signal ends the wait
 *
 * Return: 0; -ETIMEDOUT when the time is over or the gate was abandoned; -EINTR when a signal
 * came.
 */
int testexp_gate_pass(struct gate *gate, u32 timeout_ms, bool interruptible)
{
	long left = msecs_to_jiffies(timeout_ms);

	if (interruptible)
		left = wait_event_interruptible_timeout(gate->wait, testexp_gate_is_open(gate) ||
							READ_ONCE(gate->abandoned), left);
	else
		left = wait_event_timeout(gate->wait, testexp_gate_is_open(gate) ||
					  READ_ONCE(gate->abandoned), left);

	if (testexp_gate_is_open(gate))
		return 0;
	return left < 0 ? -EINTR : -ETIMEDOUT;
}
