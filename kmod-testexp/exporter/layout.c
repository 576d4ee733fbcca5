// SPDX-License-Identifier: GPL-2.0
#include "exporter/layout.h"

static bool layout_has_pfns(u32 type)
{
	return type != TESTEXP_EXTENT_HOLE && type != TESTEXP_EXTENT_PRIVATE;
}

static bool layout_continues(const struct layout_extent *last, struct layout_kind kind, u64 delta)
{
	return layout_same_kind(last->kind, kind) && last->delta == delta;
}

/**
 * testexp_layout_append - add pages to the end of the buffer
 * @layout: layout of the buffer so far
 * @kind: kind of the pages
 * @pfn: PFN of the first page; ignored for types without PFNs
 * @nr_pages: number of pages, at least 1
 *
 * Pages that continue the last extent make that extent longer. So layout_lookup() has to look
 * at one extent only to find the exact maximum.
 *
 * Return: 0, -ENOSPC when the array is full, -EOVERFLOW when pgoff would wrap.
 */
int testexp_layout_append(struct layout *layout, struct layout_kind kind, u64 pfn, u64 nr_pages)
{
	bool has_pfns = layout_has_pfns(kind.type);
	struct layout_extent *extent;
	u64 delta, end = layout->nr_pages + nr_pages;

	if (end < layout->nr_pages)
		return -EOVERFLOW;
	delta = has_pfns ? pfn - layout->nr_pages : 0;

	extent = layout->extents + layout->nr_extents;
	if (layout->nr_extents && layout_continues(extent - 1, kind, delta)) {
		extent[-1].end = end;
	} else {
		if (layout->nr_extents == layout->capacity)
			return -ENOSPC;

		extent->before = layout->nr_pages - 1;
		extent->end = end;
		extent->delta = delta;
		/* A delta of 0 gives all ones: PFN and pgoff are congruent modulo any 2^k. */
		extent->align_mask = has_pfns ? delta ^ (delta - 1) : 0;
		extent->kind = kind;
		layout->nr_extents++;
	}
	layout->nr_pages = end;
	return 0;
}
