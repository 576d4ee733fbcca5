// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-resv.h>
#include <linux/log2.h>

#include "bench/paths.h"
#include "bench/paths_loop.h"

static __always_inline int resolve_no_page(struct resolve_run *run, u64 pgoff, u64 *pfn,
					   int *order)
{
	OPTIMIZER_HIDE_VAR(pgoff);
	return 0;
}

static int resolve_run_empty(struct resolve_run *run, u32 ops)
{
	int ret = resolve_pages(run, ops, resolve_no_page, false);

	run->pages = 0;
	return ret;
}

static int resolve_run_lock_unlock(struct resolve_run *run, u32 ops)
{
	struct dma_resv *resv = run->attach->dmabuf->resv;

	for (; ops; ops--) {
		dma_resv_lock(resv, NULL);
		dma_resv_unlock(resv);
	}
	return 0;
}

static __always_inline int resolve_page_unlocked(struct resolve_run *run, u64 pgoff, u64 *pfn,
						 int *order)
{
	return testexp_get_pfn_unlocked(run->attach, pgoff, pfn, order);
}

static __always_inline int resolve_ops_get_pfn(struct resolve_run *run, u32 ops, bool deliver)
{
	return resolve_pages(run, ops, resolve_page_unlocked, deliver);
}

RESOLVE_LOOPS(get_pfn)

static __always_inline int resolve_page_locked(struct resolve_run *run, u64 pgoff, u64 *pfn,
					       int *order)
{
	return testexp_get_pfn(run->attach, pgoff, pfn, order);
}

static __always_inline int resolve_ops_get_pfn_batch(struct resolve_run *run, u32 ops,
						     bool deliver)
{
	return resolve_pages(run, ops, resolve_page_locked, deliver);
}

RESOLVE_LOOPS(get_pfn_batch)

static int resolve_find_op(struct resolve_run *run)
{
	run->op = testexp_get_pfn_op(run->attach->dmabuf);
	return run->op ? 0 : -EINVAL;
}

/* Calls the callback through a pointer, as the core does. */
static __always_inline int resolve_page_op(struct resolve_run *run, u64 pgoff, u64 *pfn,
					   int *order)
{
	return run->op(run->attach, pgoff, pfn, order);
}

static __always_inline int resolve_ops_exporter_op(struct resolve_run *run, u32 ops, bool deliver)
{
	return resolve_pages(run, ops, resolve_page_op, deliver);
}

RESOLVE_LOOPS(exporter_op)

/* Makes one call for each block: the next call is for the page after the block. */
static __always_inline int resolve_blocks(struct resolve_run *run, u32 ops, resolve_page_fn page,
					  bool deliver)
{
	u64 next, pfn;
	int order, ret;

	for (; ops; ops--) {
		ret = page(run, run->pgoff, &pfn, &order);
		if (ret)
			return ret;
		/* The block may begin before pgoff and may end after the window. */
		next = min(((run->pgoff >> order) + 1) << order, run->end);
		if (deliver && resolve_note(run, run->pgoff, pfn, next - run->pgoff, order))
			return -ENOSPC;
		run->pages += next - run->pgoff;
		resolve_go_to(run, next);
	}
	return 0;
}

static __always_inline int resolve_ops_get_pfn_stride(struct resolve_run *run, u32 ops,
						      bool deliver)
{
	return resolve_blocks(run, ops, resolve_page_unlocked, deliver);
}

RESOLVE_LOOPS(get_pfn_stride)

static __always_inline int resolve_ops_get_pfn_batch_stride(struct resolve_run *run, u32 ops,
							    bool deliver)
{
	return resolve_blocks(run, ops, resolve_page_locked, deliver);
}

RESOLVE_LOOPS(get_pfn_batch_stride)

static const struct resolve_path paths_get_pfn[] = {
	{
		.number = TESTEXP_PATH_EMPTY,
		.run = resolve_run_empty,
		.any_sequence = true,
	},
	{
		.number = TESTEXP_PATH_LOCK_UNLOCK,
		.run = resolve_run_lock_unlock,
	},
	{
		.number = TESTEXP_PATH_EXPORTER_OP,
		RESOLVE_LOOPS_OF(exporter_op),
		.prepare = resolve_find_op,
		.is_locked = true,
		.any_sequence = true,
	},
	{
		.number = TESTEXP_PATH_GET_PFN,
		RESOLVE_LOOPS_OF(get_pfn),
		.any_sequence = true,
	},
	{
		.number = TESTEXP_PATH_GET_PFN_STRIDE,
		RESOLVE_LOOPS_OF(get_pfn_stride),
	},
	{
		.number = TESTEXP_PATH_GET_PFN_BATCH,
		RESOLVE_LOOPS_OF(get_pfn_batch),
		.is_locked = true,
		.any_sequence = true,
	},
	{
		.number = TESTEXP_PATH_GET_PFN_BATCH_STRIDE,
		RESOLVE_LOOPS_OF(get_pfn_batch_stride),
		.is_locked = true,
	},
};

static const struct resolve_table paths_get_pfn_table = {
	.paths = paths_get_pfn,
	.nr_paths = ARRAY_SIZE(paths_get_pfn),
};

static const struct resolve_table *const resolve_tables[] = {
	&paths_get_pfn_table,
	&testexp_paths_sgt,
	&testexp_paths_pfnmap,
	&testexp_paths_phys_list,
};

/* Return: the path of that number, or NULL. */
static const struct resolve_path *resolve_find(u32 number)
{
	const struct resolve_table *table;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(resolve_tables); i++) {
		table = resolve_tables[i];
		for (j = 0; j < table->nr_paths; j++)
			if (table->paths[j].number == number)
				return table->paths + j;
	}
	return NULL;
}

static int resolve_check_sequence(const struct resolve_path *path,
				  const struct resolve_where *where)
{
	u64 max_stride = where->sequence == TESTEXP_SEQUENCE_STRIDED ? where->nr_pages : 0;

	if (where->sequence >= TESTEXP_SEQUENCES || where->stride > max_stride ||
	    (max_stride && !where->stride))
		return -EINVAL;
	if (where->sequence == TESTEXP_SEQUENCE_RANDOM && !is_power_of_2(where->nr_pages))
		return -EINVAL;
	if (where->sequence != TESTEXP_SEQUENCE_FORWARD && !path->any_sequence)
		return -EINVAL;
	return 0;
}

/* Return: 0; -EINVAL for an unknown path, or for an address that the path does not use. */
int testexp_resolve_check_path(u32 number, u64 address)
{
	const struct resolve_path *path = resolve_find(number);

	if (!path || address > ULONG_MAX || (address && !path->takes_address))
		return -EINVAL;
	return 0;
}

/**
 * testexp_resolve_begin - check the arguments of a run, and prepare its path
 * @run: filled in; on success the caller must call testexp_resolve_end()
 * @attach: the attachment to resolve through
 * @where: the arguments, not checked yet
 *
 * Return: 0 or a negative errno, as described at struct testexp_measure.
 */
int testexp_resolve_begin(struct resolve_run *run, struct dma_buf_attachment *attach,
			  const struct resolve_where *where)
{
	u64 buffer_pages = attach->dmabuf->size >> PAGE_SHIFT;
	int ret = testexp_resolve_check_path(where->path, where->address);

	if (ret)
		return ret;
	if (!where->nr_pages || where->pgoff >= buffer_pages ||
	    where->nr_pages > buffer_pages - where->pgoff)
		return -EINVAL;

	*run = (struct resolve_run) {
		.path = resolve_find(where->path),
		.attach = attach,
		.first = where->pgoff,
		.end = where->pgoff + where->nr_pages,
		.stride = where->stride ?: 1,
		.is_random = where->sequence == TESTEXP_SEQUENCE_RANDOM,
		.pgoff = where->pgoff,
		.address = where->address,
	};
	ret = resolve_check_sequence(run->path, where);
	if (ret)
		return ret;
	return run->path->prepare ? run->path->prepare(run) : 0;
}

void testexp_resolve_end(struct resolve_run *run)
{
	if (run->path->finish)
		run->path->finish(run);
}
