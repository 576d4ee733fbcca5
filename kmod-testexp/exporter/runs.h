/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs of contiguous pages, and how to sort them. The code needs no kernel, so that it is also
 * tested natively.
 */
#ifndef TESTEXP_RUNS_H
#define TESTEXP_RUNS_H

#include <linux/types.h>

/**
 * struct memory_run - contiguous pages, each with a reference of its own
 * @pfn: first PFN of the run
 * @nr_pages: number of pages
 */
struct memory_run {
	u64 pfn;
	u64 nr_pages;
};

int testexp_runs_sort(struct memory_run *runs, u64 nr_runs);

#endif /* TESTEXP_RUNS_H */
