// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-resv.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "paths.h"
#include "testexp_uapi.h"

static int path_empty(struct resolve_run *run, u32 ops)
{
	for (; ops; ops--)
		barrier();
	return 0;
}

static int path_lock_unlock(struct resolve_run *run, u32 ops)
{
	struct dma_resv *resv = run->attach->dmabuf->resv;

	for (; ops; ops--) {
		dma_resv_lock(resv, NULL);
		dma_resv_unlock(resv);
	}
	return 0;
}

static int path_get_pfn(struct resolve_run *run, u32 ops)
{
	u64 pgoff = run->pgoff, pfn;
	u32 left;
	int order, ret;

	for (left = ops; left; left--) {
		ret = testexp_get_pfn_unlocked(run->attach, pgoff, &pfn, &order);
		if (ret)
			return ret;
		if (++pgoff == run->end)
			pgoff = run->first;
	}
	run->pgoff = pgoff;
	run->pages += ops;
	return 0;
}

static int path_get_pfn_stride(struct resolve_run *run, u32 ops)
{
	u64 pgoff = run->pgoff, next, pages = 0, pfn;
	int order, ret;

	for (; ops; ops--) {
		ret = testexp_get_pfn_unlocked(run->attach, pgoff, &pfn, &order);
		if (ret)
			return ret;
		/* The block may begin before pgoff and end behind the window. */
		next = min(((pgoff >> order) + 1) << order, run->end);
		pages += next - pgoff;
		pgoff = next == run->end ? run->first : next;
	}
	run->pgoff = pgoff;
	run->pages += pages;
	return 0;
}

static int path_get_pfn_batch(struct resolve_run *run, u32 ops)
{
	struct dma_resv *resv = run->attach->dmabuf->resv;
	u64 pgoff = run->pgoff, pfn;
	u32 left;
	int order, ret = 0;

	dma_resv_lock(resv, NULL);
	for (left = ops; left; left--) {
		ret = testexp_get_pfn(run->attach, pgoff, &pfn, &order);
		if (ret)
			break;
		if (++pgoff == run->end)
			pgoff = run->first;
	}
	dma_resv_unlock(resv);
	run->pgoff = pgoff;
	run->pages += ops - left;
	return ret;
}

/* Adds up what an importer would program: every segment is looked at once. */
static u64 path_walk_bytes(const struct sg_table *sgt)
{
	struct scatterlist *sg;
	u64 bytes = 0;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		dma_addr_t address = sg_dma_address(sg);

		OPTIMIZER_HIDE_VAR(address);
		bytes += sg_dma_len(sg);
	}
	return bytes;
}

static int path_sgt_map(struct resolve_run *run, u32 ops)
{
	struct sg_table *sgt;

	for (; ops; ops--) {
		/* One operation may take milliseconds, so each must be killable. */
		if (signal_pending(current))
			return -EINTR;
		sgt = dma_buf_map_attachment_unlocked(run->attach, DMA_BIDIRECTIONAL);
		if (IS_ERR(sgt))
			return PTR_ERR(sgt);
		run->pages += path_walk_bytes(sgt) >> PAGE_SHIFT;
		dma_buf_unmap_attachment_unlocked(run->attach, sgt, DMA_BIDIRECTIONAL);
	}
	return 0;
}

const struct resolve_path resolve_paths[TESTEXP_PATHS] = {
	[TESTEXP_PATH_EMPTY]		= { path_empty },
	[TESTEXP_PATH_LOCK_UNLOCK]	= { path_lock_unlock },
	[TESTEXP_PATH_GET_PFN]		= { path_get_pfn },
	[TESTEXP_PATH_GET_PFN_STRIDE]	= { path_get_pfn_stride },
	[TESTEXP_PATH_GET_PFN_BATCH]	= { path_get_pfn_batch },
	[TESTEXP_PATH_SGT_MAP]		= { path_sgt_map },
};
