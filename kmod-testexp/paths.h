/* SPDX-License-Identifier: GPL-2.0 */
/* The ways of resolving a PFN, each as a loop that can be timed. */
#ifndef TESTEXP_PATHS_H
#define TESTEXP_PATHS_H

#include <linux/dma-buf.h>

/**
 * struct resolve_run - where a measurement stands
 * @attach: the attachment to resolve through
 * @first: first page of the window
 * @end: page behind its last
 * @pgoff: next page to resolve
 * @pages: pages delivered so far
 */
struct resolve_run {
	struct dma_buf_attachment *attach;
	u64 first;
	u64 end;
	u64 pgoff;
	u64 pages;
};

/**
 * struct resolve_path - one way of resolving
 * @run: makes @ops operations, going on at run->pgoff; returns 0 or the errno
 *	of the call that failed. The loop round the call costs a few
 *	instructions, as measured by the empty path.
 */
struct resolve_path {
	int (*run)(struct resolve_run *run, u32 ops);
};

/* Indexed by enum testexp_path. */
extern const struct resolve_path resolve_paths[];

#endif /* TESTEXP_PATHS_H */
