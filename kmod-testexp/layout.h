/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the pages of a buffer are: extents in order of pgoff, without gaps.
 * Pure: no locking, no allocation, so it is unit-tested natively as well.
 */
#ifndef TESTEXP_LAYOUT_H
#define TESTEXP_LAYOUT_H

#include <linux/types.h>

#include "testexp_uapi.h"

/**
 * struct layout_extent - a maximal run of pages of one type
 * @pgoff: offset of its first page in the buffer
 * @end: offset of the page behind its last
 * @delta: what to add to a pgoff to get its PFN, modulo 2^64; 0 for types that
 *	have none
 * @align_mask: ones up to and including bit k, for the largest k for which PFN
 *	and pgoff are congruent modulo 2^k
 * @type: enum testexp_extent_type
 */
struct layout_extent {
	u64 pgoff;
	u64 end;
	u64 delta;
	u64 align_mask;
	u32 type;
};

/**
 * struct layout - all extents of a buffer
 * @extents: array that the owner of the layout provides and frees
 * @capacity: entries in @extents
 * @nr_extents: entries in use; neighbours never continue each other
 * @nr_pages: length of the buffer
 */
struct layout {
	struct layout_extent *extents;
	u32 capacity;
	u32 nr_extents;
	u64 nr_pages;
};

int layout_append(struct layout *layout, u32 type, u64 pfn, u64 nr_pages);
int layout_lookup(const struct layout *layout, u64 pgoff, u64 *pfn, int *max_order);

#endif /* TESTEXP_LAYOUT_H */
