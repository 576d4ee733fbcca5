/* SPDX-License-Identifier: GPL-2.0 */
/* The ways to resolve a PFN, each as a loop that can be timed. */
#ifndef TESTEXP_PATHS_H
#define TESTEXP_PATHS_H

#include <linux/dma-buf.h>
#include <linux/scatterlist.h>

#include "compat.h"
#include "testexp_uapi.h"

struct resolve_run;

/**
 * struct resolve_path - one way to resolve PFNs
 * @number: TESTEXP_PATH_*, by which user space names it
 * @run: makes @ops operations and continues where the last call stopped; returns 0 or the
 *	negative errno of the call that failed. The loop around the call costs a few
 *	instructions, which the empty path measures
 * @deliver: the same as @run, with a call of resolve_note() for each result; NULL for a
 *	baseline without results
 * @prepare: called before the first batch, or NULL
 * @finish: undoes @prepare, or NULL
 * @rewind: called before each batch of @ops operations and not timed, or NULL
 * @is_locked: each batch runs under one hold of the reservation lock
 * @any_sequence: the path supports all sequences of pages, not only FORWARD
 * @takes_address: the path reads the caller's mapping at the address of struct resolve_where
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
	bool takes_address;
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
 * struct resolve_run - state of a path that runs
 * @path: the path
 * @attach: the attachment to resolve through
 * @first: first page of the window
 * @end: page after the last page of the window
 * @stride: number of pages from one operation to the next
 * @is_random: @position chooses the next page, not @stride
 * @pgoff: next page to resolve
 * @position: state of the generator of random pages
 * @pages: number of pages delivered so far
 * @address: address at which the caller has mapped page @first
 * @op: the exporter's callback, for the path that calls the callback directly
 * @sgt: the mapping that a path keeps
 * @sg: next segment of the mapping
 * @nr_left: number of segments from @sg to the end of the mapping
 * @iter: next page of the mapping
 * @delivered: array that resolve_note() writes to
 * @nr_delivered: number of entries that it has written
 * @capacity: number of entries that @delivered has room for
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

/* The arguments of a run; testexp_resolve_begin() checks them. See struct testexp_measure. */
struct resolve_where {
	u32 path;
	u32 sequence;
	u64 pgoff;
	u64 nr_pages;
	u64 stride;
	u64 address;
};

int testexp_resolve_check_path(u32 number, u64 address);
int testexp_resolve_begin(struct resolve_run *run, struct dma_buf_attachment *attach,
			  const struct resolve_where *where);
void testexp_resolve_end(struct resolve_run *run);

static inline int resolve_rewind(struct resolve_run *run, u32 ops)
{
	return run->path->rewind ? run->path->rewind(run, ops) : 0;
}

/* The paths of each file. A new path is an entry in one of these tables. */
extern const struct resolve_table testexp_paths_sgt;
extern const struct resolve_table testexp_paths_pfnmap;
extern const struct resolve_table testexp_paths_phys_list;

#endif /* TESTEXP_PATHS_H */
