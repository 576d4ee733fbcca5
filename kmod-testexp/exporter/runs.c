// SPDX-License-Identifier: GPL-2.0
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "exporter/runs.h"

/* Moves the run at @root down to its place in the heap of the first @nr_runs runs. */
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

/*
 * Called between two calls of runs_sift(), which takes log2(nr_runs) steps. Return: 0, or -EINTR
 * when the process is killed.
 */
static int runs_pause(void)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	return 0;
}

/**
 * testexp_runs_sort - sort runs by PFN, lowest first
 * @runs: the runs
 * @nr_runs: number of runs, which may be more than a million
 *
 * This is a heap sort, as sort() is. But before 6.16 no sort of the kernel reschedules, and none
 * ends when the process is killed.
 *
 * Return: 0, or -EINTR when the process is killed. In that case the runs are in any order.
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
