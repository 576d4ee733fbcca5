// SPDX-License-Identifier: GPL-2.0
#include <linux/errno.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "bench/clock.h"
#include "bench/contend.h"
#include "bench/roles.h"

/*
 * Pauses between two operations. The loop makes at least one round: where processors are emulated
 * one after the other, cpu_relax() lets the next processor run.
 */
static void contender_idle(const struct contender *contender)
{
	u64 begin = testexp_clock();

	do {
		cpu_relax();
		cond_resched();
	} while (testexp_clock() - begin < contender->spec.idle_ticks &&
		 !testexp_contender_is_over(contender));
}

static int contender_operate(struct contender *contender)
{
	const struct testexp_contender *spec = &contender->spec;
	u64 begin;
	int ret;

	while (!testexp_contender_is_over(contender)) {
		begin = testexp_clock();
		ret = testexp_role_operate(contender);
		if (ret == -ECANCELED)
			break;
		if (ret)
			return ret;
		testexp_hist_add(&contender->op, testexp_clock() - begin);

		if (++contender->counts.ops == spec->ops)
			return 0;
		if (spec->idle_ticks)
			contender_idle(contender);
		cond_resched();
	}
	/* The end of the contention is no error of the contender, but a signal is. */
	return signal_pending(current) ? -EINTR : 0;
}

static int contender_pass_and_operate(struct contender *contender, bool user)
{
	struct contention *contention = contender->contention;
	int ret = testexp_gate_pass(&contention->gate, contention->timeout_ms, user);

	if (ret)
		return ret;
	contender->counts.passed_ticks = testexp_clock();
	return contender_operate(contender);
}

/* The last contender with a limit ends the contention for the contenders without one. */
static void contender_end(struct contender *contender)
{
	struct contention *contention = contender->contention;

	contender->counts.done_ticks = testexp_clock();
	if (contender->spec.ops && atomic_dec_and_test(&contention->limited) &&
	    !contention->run_ticks)
		WRITE_ONCE(contention->stop, true);
	if (atomic_dec_and_test(&contention->running))
		wake_up_all(&contention->wait);
}

/**
 * testexp_contender_run - run a contender, from the gate to the end
 * @contender: the contender that the calling thread is
 *
 * Return: 0 or the negative errno that ended the contender, which is in its counts as well.
 */
int testexp_contender_run(struct contender *contender)
{
	struct contention *contention = contender->contention;
	struct testexp_report *counts = &contender->counts;
	bool user = contender->spec.flags & TESTEXP_CONTENDER_USER;

	counts->error = testexp_role_begin(contender);
	counts->arrived_ticks = testexp_clock();
	testexp_gate_arrive(&contention->gate);
	if (!counts->error) {
		counts->error = contender_pass_and_operate(contender, user);
		testexp_role_end(contender);
	}
	/* The core returns -ERESTARTSYS after a signal, but this system call is not restarted. */
	if (counts->error == -ERESTARTSYS)
		counts->error = -EINTR;
	contender_end(contender);
	return counts->error;
}
