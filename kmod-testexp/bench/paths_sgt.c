// SPDX-License-Identifier: GPL-2.0
/* Paths that map the buffer for DMA, as every importer does today. */
#include <linux/dma-direct.h>
#include <linux/sched/signal.h>

#include "bench/paths.h"
#include "bench/paths_loop.h"
#include "exporter/exporter.h"

/* Sets the window to the whole buffer, because a mapping always has the whole buffer. */
static void resolve_take_whole(struct resolve_run *run)
{
	run->first = 0;
	run->pgoff = 0;
	run->end = run->attach->dmabuf->size >> PAGE_SHIFT;
}

/*
 * Reads a segment, as an importer would to program its device. Returns the number of its pages, or
 * 0 when there is no room to record it.
 */
static __always_inline u64 resolve_segment(struct resolve_run *run, struct scatterlist *sg,
					   u64 pgoff, bool deliver)
{
	dma_addr_t address = sg_dma_address(sg);
	u64 nr_pages = sg_dma_len(sg) >> PAGE_SHIFT;

	OPTIMIZER_HIDE_VAR(address);
	if (deliver && resolve_note(run, pgoff, address >> PAGE_SHIFT, nr_pages,
				    TESTEXP_UNTOUCHED_ORDER))
		return 0;
	return nr_pages;
}

static __always_inline int resolve_walk(struct resolve_run *run, const struct sg_table *sgt,
					bool deliver)
{
	struct scatterlist *sg;
	u64 pgoff = 0, here;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		here = resolve_segment(run, sg, pgoff, deliver);
		if (deliver && !here)
			return -ENOSPC;
		pgoff += here;
	}
	run->pages += pgoff;
	return 0;
}

static __always_inline int resolve_ops_sgt_map(struct resolve_run *run, u32 ops, bool deliver)
{
	struct sg_table *sgt;
	int ret;

	for (; ops; ops--) {
		/* One operation may take milliseconds, so a signal can end each one. */
		if (signal_pending(current))
			return -EINTR;
		sgt = dma_buf_map_attachment_unlocked(run->attach, DMA_BIDIRECTIONAL);
		if (IS_ERR(sgt))
			return PTR_ERR(sgt);
		ret = resolve_walk(run, sgt, deliver);
		dma_buf_unmap_attachment_unlocked(run->attach, sgt, DMA_BIDIRECTIONAL);
		if (ret)
			return ret;
	}
	return 0;
}

RESOLVE_LOOPS(sgt_map)

/* Goes back to the first segment and to its first page. */
static void resolve_sgt_restart(struct resolve_run *run)
{
	run->sg = run->sgt->sgl;
	run->nr_left = run->sgt->nents;
	__sg_page_iter_start(&run->iter.base, run->sgt->sgl, run->sgt->nents, 0);
}

static int resolve_sgt_prepare(struct resolve_run *run)
{
	struct sg_table *sgt = dma_buf_map_attachment_unlocked(run->attach, DMA_BIDIRECTIONAL);

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	run->sgt = sgt;
	resolve_sgt_restart(run);
	resolve_take_whole(run);
	return 0;
}

/*
 * Ends the run of a revoked buffer, so that resolve_sgt_finish() gives up the mapping: a revoke
 * waits for it. Before 7.1 a mapping may outlast a revoke.
 */
static int resolve_sgt_rewind(struct resolve_run *run, u32 ops)
{
	if (TESTEXP_REVOKE_WAITS_FOR_UNMAP && testexp_exporter_is_revoked(run->attach->dmabuf))
		return -ENODEV;
	return 0;
}

static void resolve_sgt_finish(struct resolve_run *run)
{
	dma_buf_unmap_attachment_unlocked(run->attach, run->sgt, DMA_BIDIRECTIONAL);
}

static __always_inline int resolve_ops_sgt_cached(struct resolve_run *run, u32 ops, bool deliver)
{
	u64 here;

	for (; ops; ops--) {
		here = resolve_segment(run, run->sg, run->pgoff, deliver);
		if (deliver && !here)
			return -ENOSPC;
		run->pages += here;
		run->sg = sg_next(run->sg);
		resolve_go_to(run, run->pgoff + here);
		if (!--run->nr_left)
			resolve_sgt_restart(run);
	}
	return 0;
}

RESOLVE_LOOPS(sgt_cached)

/* Computes PFNs from DMA addresses page by page, as drivers/xen/gntdev-dmabuf.c does. */
static __always_inline int resolve_ops_sgt_dma_to_phys(struct resolve_run *run, u32 ops,
						       bool deliver)
{
	struct device *dev = run->attach->dev;
	u64 pfn;

	run->pages += ops;
	for (; ops; ops--) {
		if (!__sg_page_iter_dma_next(&run->iter)) {
			resolve_sgt_restart(run);
			__sg_page_iter_dma_next(&run->iter);
		}
		pfn = PHYS_PFN(dma_to_phys(dev, sg_page_iter_dma_address(&run->iter)));
		OPTIMIZER_HIDE_VAR(pfn);
		if (deliver && resolve_note(run, run->pgoff, pfn, 1, TESTEXP_UNTOUCHED_ORDER))
			return -ENOSPC;
		resolve_go_to(run, run->pgoff + 1);
	}
	return 0;
}

RESOLVE_LOOPS(sgt_dma_to_phys)

static const struct resolve_path paths_sgt[] = {
	{
		.number = TESTEXP_PATH_SGT_MAP,
		RESOLVE_LOOPS_OF(sgt_map),
	},
	{
		.number = TESTEXP_PATH_SGT_CACHED,
		RESOLVE_LOOPS_OF(sgt_cached),
		.prepare = resolve_sgt_prepare,
		.finish = resolve_sgt_finish,
		.rewind = resolve_sgt_rewind,
	},
	{
		.number = TESTEXP_PATH_SGT_DMA_TO_PHYS,
		RESOLVE_LOOPS_OF(sgt_dma_to_phys),
		.prepare = resolve_sgt_prepare,
		.finish = resolve_sgt_finish,
		.rewind = resolve_sgt_rewind,
	},
};

const struct resolve_table testexp_paths_sgt = {
	.paths = paths_sgt,
	.nr_paths = ARRAY_SIZE(paths_sgt),
};
