/* SPDX-License-Identifier: GPL-2.0 */
/* The ways of resolving a PFN, each as a loop that can be timed. */
#ifndef TESTEXP_PATHS_H
#define TESTEXP_PATHS_H

#include <linux/dma-buf.h>
#include <linux/scatterlist.h>

#include "compat.h"
#include "testexp_uapi.h"

struct resolve_run;

/**
 * struct resolve_path - one way of resolving
 * @number: TESTEXP_PATH_*, by which user space names it
 * @run: makes @ops operations, going on where the last call stopped; returns 0 or
 *	the errno of the call that failed. The loop round the call costs a few
 *	instructions, as measured by the empty path.
 * @deliver: the same with resolve_note() for each result; NULL for a baseline
 *	that has none
 * @prepare: what comes before the first batch, or NULL
 * @finish: undoes @prepare, or NULL
 * @rewind: what comes before each batch of @ops operations, untimed, or NULL
 * @is_locked: each batch runs under one hold of the reservation lock
 * @any_sequence: it can step otherwise than to the next page
 */
struct resolve_path {
	u32 number;
	int (*run)(struct resolve_run *run, u32 ops);
	int (*deliver)(struct resolve_run *run, u32 ops);
	int (*prepare)(struct resolve_run *run);
	void (*finish)(struct resolve_run *run);
	int (*rewind)(struct resolve_run *run, u32 ops);
	bool is_locked;
	bool any_sequence;
};

/**
 * struct resolve_table - the paths of one file
 * @paths: the paths
 * @nr_paths: how many paths there are
 */
struct resolve_table {
	const struct resolve_path *paths;
	u32 nr_paths;
};

/**
 * struct resolve_run - where a measurement stands
 * @path: what is run
 * @attach: the attachment to resolve through
 * @first: first page of the window
 * @end: page behind its last
 * @stride: pages from one operation to the next
 * @is_random: pages come as @position says, not by @stride
 * @pgoff: next page to resolve
 * @position: state of the generator of random pages
 * @pages: pages delivered so far
 * @address: where the caller has page @first mapped
 * @op: the exporter's callback, of the path that calls it directly
 * @sgt: the mapping that is kept
 * @sg: its next segment
 * @nr_left: its segments from @sg on
 * @iter: its next page
 * @delivered: where resolve_note() writes
 * @nr_delivered: entries it has written
 * @capacity: entries there is room for
 */
struct resolve_run {
	const struct resolve_path *path;
	struct dma_buf_attachment *attach;
	u64 first;
	u64 end;
	u64 stride;
	bool is_random;
	u64 pgoff;
	u64 position;
	u64 pages;
	unsigned long address;
	testexp_get_pfn_fn op;
	struct sg_table *sgt;
	struct scatterlist *sg;
	unsigned int nr_left;
	struct sg_dma_page_iter iter;
	struct testexp_delivered *delivered;
	u32 nr_delivered;
	u32 capacity;
};

/* What the ABI says of a run, checked by testexp_resolve_begin(); see struct testexp_measure. */
struct resolve_where {
	u32 path;
	u32 sequence;
	u64 pgoff;
	u64 nr_pages;
	u64 stride;
	u64 address;
};

int testexp_resolve_begin(struct resolve_run *run, struct dma_buf_attachment *attach,
			  const struct resolve_where *where);
void testexp_resolve_end(struct resolve_run *run);

static inline int resolve_rewind(struct resolve_run *run, u32 ops)
{
	return run->path->rewind ? run->path->rewind(run, ops) : 0;
}

/* The paths of each file; a new path is an entry in one of them. */
extern const struct resolve_table testexp_paths_sgt;
extern const struct resolve_table testexp_paths_pfnmap;
extern const struct resolve_table testexp_paths_phys_list;

#endif /* TESTEXP_PATHS_H */
