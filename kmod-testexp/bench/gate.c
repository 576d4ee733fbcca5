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

/* Each party calls this once, also one that does not mean to wait. */
void testexp_gate_arrive(struct gate *gate)
{
	if (!atomic_dec_and_test(&gate->missing))
		return;

	gate->opened_ticks = testexp_clock();
	/* Who sees it open in testexp_gate_is_open() sees when. */
	smp_store_release(&gate->open, true);
	wake_up_all(&gate->wait);
}

bool testexp_gate_is_open(const struct gate *gate)
{
	/* Pairs with testexp_gate_arrive(). */
	return smp_load_acquire(&gate->open);
}

/* Those that wait go home. Nothing happens to a gate that is open. */
void testexp_gate_abandon(struct gate *gate)
{
	WRITE_ONCE(gate->abandoned, true);
	wake_up_all(&gate->wait);
}

/**
 * testexp_gate_pass - wait until all have come
 * @gate: one has arrived at it
 * @timeout_ms: how long to wait
 * @interruptible: whether signals end the wait
 *
 * Return: 0, -ETIMEDOUT when that took too long or the gate was abandoned, -EINTR
 * when a signal came.
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
