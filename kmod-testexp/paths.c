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

static void path_advance(struct resolve_run *run, u64 pages)
{
	run->pages += pages;
	run->pgoff += pages;
	if (run->pgoff == run->end)
		run->pgoff = run->first;
}

/* Inlined with a constant @get_pfn, so that what is timed is a direct call. */
static __always_inline int path_each_page(struct resolve_run *run, u32 ops,
					  testexp_get_pfn_fn get_pfn)
{
	struct dma_buf_attachment *attach = run->attach;
	u64 here, pgoff, stop, pfn;
	int order, ret;

	for (; ops; ops -= here) {
		/* The end of the window is found here, not once a page. */
		here = min_t(u64, ops, run->end - run->pgoff);
		stop = run->pgoff + here;
		for (pgoff = run->pgoff; pgoff != stop; pgoff++) {
			ret = get_pfn(attach, pgoff, &pfn, &order);
			if (ret)
				return ret;
		}
		path_advance(run, here);
	}
	return 0;
}

static int path_get_pfn(struct resolve_run *run, u32 ops)
{
	return path_each_page(run, ops, testexp_get_pfn_unlocked);
}

static int path_get_pfn_batch(struct resolve_run *run, u32 ops)
{
	struct dma_resv *resv = run->attach->dmabuf->resv;
	int ret;

	dma_resv_lock(resv, NULL);
	ret = path_each_page(run, ops, testexp_get_pfn);
	dma_resv_unlock(resv);
	return ret;
}

/* As the core calls it: through the pointer in the exporter's ops. */
static int path_exporter_op(struct resolve_run *run, u32 ops)
{
	struct dma_buf *dmabuf = run->attach->dmabuf;
	testexp_get_pfn_fn op = testexp_get_pfn_op(dmabuf);
	int ret;

	if (!op)
		return -EINVAL;

	dma_resv_lock(dmabuf->resv, NULL);
	ret = path_each_page(run, ops, op);
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

/* One call a block: on by what the answer lets an importer map at once. */
static int path_get_pfn_stride(struct resolve_run *run, u32 ops)
{
	u64 next, pfn;
	int order, ret;

	for (; ops; ops--) {
		ret = testexp_get_pfn_unlocked(run->attach, run->pgoff, &pfn, &order);
		if (ret)
			return ret;
		/* The block may begin before pgoff and end behind the window. */
		next = min(((run->pgoff >> order) + 1) << order, run->end);
		path_advance(run, next - run->pgoff);
	}
	return 0;
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
	[TESTEXP_PATH_EXPORTER_OP]	= { path_exporter_op },
};
