// SPDX-License-Identifier: GPL-2.0
/* The path that gets a list of all physical ranges of a buffer from the exporter. */
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>

#include "bench/paths.h"
#include "bench/paths_loop.h"
#include "exporter/exporter.h"
#include "exporter/layout.h"
#include "exporter/memory.h"

/**
 * struct phys_range - a range of physically contiguous memory
 * @address: physical address
 * @length_bytes: length, a multiple of the page size
 */
struct phys_range {
	u64 address;
	u64 length_bytes;
};

/**
 * struct phys_list - the ranges of a whole buffer, in the order of its pages
 * @nr_ranges: number of entries in @ranges
 * @ranges: the ranges
 */
struct phys_list {
	u32 nr_ranges;
	struct phys_range ranges[];
};

static void phys_list_free(const struct phys_list *list)
{
	testexp_memory_kvfree(list, struct_size(list, ranges, list->nr_ranges));
}

/**
 * phys_list_make - list the physical ranges of a buffer
 * @dmabuf: any buffer, its reservation lock held. The list is valid for as long as a PFN of
 *	get_pfn, so an importer must use the list before it drops the lock
 *
 * dma-buf has no callback for such a list. It is a private interface between exporter and
 * importer, like the one between vfio-pci and iommufd.
 *
 * Return: a list for phys_list_free(); -EINVAL for a buffer of another exporter; -ENODEV when
 * the buffer is revoked; -ENXIO or -EOPNOTSUPP when a page has no PFN; -ENOSPC over the module's
 * limit; -ENOMEM.
 */
static struct phys_list *phys_list_make(struct dma_buf *dmabuf)
{
	const struct layout *layout;
	struct phys_list *list;
	u32 i;

	dma_resv_assert_held(dmabuf->resv);

	layout = testexp_exporter_layout(dmabuf);
	if (IS_ERR(layout))
		return ERR_CAST(layout);

	list = testexp_memory_kvmalloc(struct_size(list, ranges, layout->nr_extents));
	if (IS_ERR(list))
		return list;

	list->nr_ranges = layout->nr_extents;
	for (i = 0; i < layout->nr_extents; i++) {
		const struct layout_extent *extent = layout->extents + i;
		int error = layout_extent_error(extent);

		if (unlikely(error)) {
			phys_list_free(list);
			return ERR_PTR(error);
		}
		list->ranges[i].address = layout_extent_pfn(extent) << PAGE_SHIFT;
		list->ranges[i].length_bytes = layout_extent_pages(extent) << PAGE_SHIFT;
	}
	return list;
}

static __always_inline int resolve_walk_list(struct resolve_run *run,
					     const struct phys_list *list, bool deliver)
{
	u64 pgoff = 0;
	u32 i;

	for (i = 0; i < list->nr_ranges; i++) {
		u64 pfn = list->ranges[i].address >> PAGE_SHIFT;
		u64 nr_pages = list->ranges[i].length_bytes >> PAGE_SHIFT;

		OPTIMIZER_HIDE_VAR(pfn);
		if (deliver && resolve_note(run, pgoff, pfn, nr_pages, TESTEXP_UNTOUCHED_ORDER))
			return -ENOSPC;
		pgoff += nr_pages;
	}
	run->pages += pgoff;
	return 0;
}

/* Called under the reservation lock: the list is not valid without it. */
static __always_inline int resolve_list(struct resolve_run *run, struct dma_buf *dmabuf,
					bool deliver)
{
	struct phys_list *list = phys_list_make(dmabuf);
	int ret;

	if (IS_ERR(list))
		return PTR_ERR(list);
	ret = resolve_walk_list(run, list, deliver);
	phys_list_free(list);
	return ret;
}

static __always_inline int resolve_ops_phys_list(struct resolve_run *run, u32 ops, bool deliver)
{
	struct dma_buf *dmabuf = run->attach->dmabuf;
	int ret;

	for (; ops; ops--) {
		/* One operation may take milliseconds, so a signal can end each one. */
		if (signal_pending(current))
			return -EINTR;
		dma_resv_lock(dmabuf->resv, NULL);
		ret = resolve_list(run, dmabuf, deliver);
		dma_resv_unlock(dmabuf->resv);
		if (ret)
			return ret;
	}
	return 0;
}

RESOLVE_LOOPS(phys_list)

static const struct resolve_path paths_phys_list[] = {
	{
		.number = TESTEXP_PATH_PHYS_LIST,
		RESOLVE_LOOPS_OF(phys_list),
	},
};

const struct resolve_table testexp_paths_phys_list = {
	.paths = paths_phys_list,
	.nr_paths = ARRAY_SIZE(paths_phys_list),
};
