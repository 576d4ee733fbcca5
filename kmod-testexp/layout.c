// SPDX-License-Identifier: GPL-2.0
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/types.h>

#include "layout.h"

static bool layout_continues(const struct layout_extent *last, u32 type, u64 delta)
{
	return last->type == type && last->delta == delta;
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
	u64 delta, end = layout->nr_pages + nr_pages;

	if (end < layout->nr_pages)
		return -EOVERFLOW;
	delta = type == TESTEXP_EXTENT_RAM ? pfn - layout->nr_pages : 0;

	extent = layout->extents + layout->nr_extents;
	if (layout->nr_extents && layout_continues(extent - 1, type, delta)) {
		extent[-1].end = end;
	} else {
		if (layout->nr_extents == layout->capacity)
			return -ENOSPC;

		extent->pgoff = layout->nr_pages;
		extent->end = end;
		extent->delta = delta;
		/* All ones for 0, which is congruent modulo everything. */
		extent->align_mask = delta ^ (delta - 1);
		extent->type = type;
		layout->nr_extents++;
	}
	layout->nr_pages = end;
	return 0;
}

/* The extent that contains @pgoff, which is inside the buffer. */
static const struct layout_extent *layout_find(const struct layout *layout, u64 pgoff)
{
	const struct layout_extent *extent = layout->extents;
	u32 left, half;

	/* It is among the @left extents from @extent on. */
	for (left = layout->nr_extents; left > 1; left -= half) {
		half = left / 2;
		if (extent[half].pgoff <= pgoff)
			extent += half;
	}
	return extent;
}

/*
 * The largest order whose naturally aligned block round @pgoff stays inside the
 * extent and is aligned physically. The block of order k starts at or behind
 * the extent's start exactly when pgoff and the page before the start differ in
 * a bit k or higher, and it ends in time exactly when pgoff and the page behind
 * the end do. So the highest differing bit is the answer, the smaller of the
 * two, and no loop is needed. Neither is 0, nor is align_mask.
 */
static int layout_max_order(const struct layout_extent *extent, u64 pgoff)
{
	u64 differ = pgoff ^ (extent->pgoff - 1);

	differ = min(differ, pgoff ^ extent->end);
	differ = min(differ, extent->align_mask);
	return fls64(differ) - 1;
}

/**
 * layout_lookup - resolve one page
 * @layout: the buffer
 * @pgoff: page inside it; the caller has checked that
 * @pfn: set on success
 * @max_order: set on success to the exact maximum, as the contract defines it
 *
 * Return: 0, -ENXIO in a hole, -EOPNOTSUPP where the CPU has no PFN.
 */
int layout_lookup(const struct layout *layout, u64 pgoff, u64 *pfn, int *max_order)
{
	const struct layout_extent *extent = layout_find(layout, pgoff);

	if (unlikely(extent->type != TESTEXP_EXTENT_RAM))
		return extent->type == TESTEXP_EXTENT_HOLE ? -ENXIO : -EOPNOTSUPP;

	*pfn = pgoff + extent->delta;
	*max_order = layout_max_order(extent, pgoff);
	return 0;
}
