// SPDX-License-Identifier: GPL-2.0
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "exporter/runs.h"

/* Puts the run at @root into its place in the heap of @nr_runs below it. */
static void runs_sift(struct memory_run *runs, u64 root, u64 nr_runs)
{
	u64 child;

	for (child = 2 * root + 1; child < nr_runs; child = 2 * root + 1) {
		if (child + 1 < nr_runs && runs[child].pfn < runs[child + 1].pfn)
			child++;
		if (runs[root].pfn >= runs[child].pfn)
			return;
		swap(runs[root], runs[child]);
		root = child;
	}
}

/* Between two sifts, of log2(nr_runs) steps each. Return: 0, or -EINTR when killed. */
static int runs_pause(void)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	return 0;
}

/**
 * testexp_runs_sort - sort by PFN, the lowest first
 * @runs: the runs
 * @nr_runs: how many, up to a million and more
 *
 * A heap sort, as sort() is. But before 6.16 the kernel has no sort that reschedules,
 * and none that ends when the process is killed.
 *
 * Return: 0, or -EINTR when killed; then the runs are all there, in any order.
 */
int testexp_runs_sort(struct memory_run *runs, u64 nr_runs)
{
	u64 i;

	for (i = nr_runs / 2; i > 0; i--) {
		if (runs_pause())
			return -EINTR;
		runs_sift(runs, i - 1, nr_runs);
	}
	for (i = nr_runs; i > 1; i--) {
		if (runs_pause())
			return -EINTR;
		swap(runs[0], runs[i - 1]);
		runs_sift(runs, 0, i - 1);
	}
	return 0;
}
