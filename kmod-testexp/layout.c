// SPDX-License-Identifier: GPL-2.0
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/types.h>

#include "layout.h"

static bool layout_continues(const struct layout_extent *last, u32 type, u64 pfn)
{
	if (last->type != type)
		return false;

	return type != TESTEXP_EXTENT_RAM ||
	       last->pfn + (last->end - last->pgoff) == pfn;
}

/**
 * layout_append - add pages to the end of the buffer
 * @layout: what is there so far
 * @type: enum testexp_extent_type
 * @pfn: PFN of the first page; ignored for types that have none
 * @nr_pages: how many, at least 1
 *
 * Pages that continue the last extent make it longer, so that layout_lookup()
 * needs to look at one extent only to know the exact maximum.
 *
 * Return: 0, -ENOSPC when the array is full, -EOVERFLOW when pgoff would wrap.
 */
int layout_append(struct layout *layout, u32 type, u64 pfn, u64 nr_pages)
{
	struct layout_extent *extent;
	u64 end = layout->nr_pages + nr_pages;

	if (end < layout->nr_pages)
		return -EOVERFLOW;
	if (type != TESTEXP_EXTENT_RAM)
		pfn = 0;

	extent = layout->extents + layout->nr_extents;
	if (layout->nr_extents && layout_continues(extent - 1, type, pfn)) {
		extent[-1].end = end;
	} else {
		if (layout->nr_extents == layout->capacity)
			return -ENOSPC;

		extent->pgoff = layout->nr_pages;
		extent->end = end;
		extent->pfn = pfn;
		extent->type = type;
		/* The same pfn as pgoff is congruent modulo everything. */
		extent->align_order = pfn == extent->pgoff ?
				      63 : __ffs64(pfn - extent->pgoff);
		layout->nr_extents++;
	}
	layout->nr_pages = end;
	return 0;
}

/* The extent that contains @pgoff, which is inside the buffer. */
static const struct layout_extent *layout_find(const struct layout *layout, u64 pgoff)
{
	u32 low = 0, high = layout->nr_extents;

	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;

		if (layout->extents[middle].pgoff <= pgoff)
			low = middle;
		else
			high = middle;
	}
	return layout->extents + low;
}

/*
 * The largest order whose naturally aligned block round @pgoff stays inside the
 * extent and is aligned physically. The block of order k starts at or behind
 * the extent's start exactly when pgoff and the page before the start differ in
 * a bit k or higher, and it ends in time exactly when pgoff and the page behind
 * the end do. So the highest differing bit is the answer, and no loop is needed.
 */
static int layout_max_order(const struct layout_extent *extent, u64 pgoff)
{
	int order = extent->align_order;
	int from_start = fls64(pgoff ^ (extent->pgoff - 1)) - 1;
	int to_end = fls64(pgoff ^ extent->end) - 1;

	if (order > from_start)
		order = from_start;
	if (order > to_end)
		order = to_end;
	return order;
}

/**
 * layout_lookup - resolve one page
 * @layout: the buffer
 * @pgoff: any page; bounds are checked here too
 * @pfn: set on success
 * @max_order: set on success to the exact maximum, as the contract defines it
 *
 * Return: 0; -EINVAL beyond the end, -ENXIO in a hole, -EOPNOTSUPP where the
 * CPU has no PFN.
 */
int layout_lookup(const struct layout *layout, u64 pgoff, u64 *pfn, int *max_order)
{
	const struct layout_extent *extent;

	if (pgoff >= layout->nr_pages)
		return -EINVAL;

	extent = layout_find(layout, pgoff);
	if (extent->type == TESTEXP_EXTENT_HOLE)
		return -ENXIO;
	if (extent->type == TESTEXP_EXTENT_PRIVATE)
		return -EOPNOTSUPP;

	*pfn = extent->pfn + (pgoff - extent->pgoff);
	*max_order = layout_max_order(extent, pgoff);
	return 0;
}
