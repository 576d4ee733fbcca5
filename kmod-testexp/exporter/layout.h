/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the pages of a buffer are: extents in the order of pgoff, without gaps. The code takes
 * no locks and allocates no memory, so that it is also tested natively.
 */
#ifndef TESTEXP_LAYOUT_H
#define TESTEXP_LAYOUT_H

#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/types.h>

#include "testexp_uapi.h"

/**
 * struct layout_kind - properties that all pages of one block have in common
 * @type: enum testexp_extent_type; ALIAS pages have the type RAM
 * @cache: enum testexp_cache
 * @attributes: TESTEXP_EXTENT_P2P, TESTEXP_EXTENT_AS_MMIO
 */
struct layout_kind {
	u32 type;
	u16 cache;
	u16 attributes;
};

/**
 * struct layout_extent - the longest possible run of pages of one kind
 * @before: offset of the page before the first page. It is all ones for the first extent,
 *	so the search never compares it there
 * @end: offset of the page after the last page
 * @delta: number to add to a pgoff to get its PFN, modulo 2^64; 0 for types without PFNs
 * @align_mask: bits 0 to k are set, for the largest k for which PFN and pgoff are congruent
 *	modulo 2^k; 0 for types without PFNs
 * @kind: the kind of the pages
 */
struct layout_extent {
	u64 before;
	u64 end;
	u64 delta;
	u64 align_mask;
	struct layout_kind kind;
};

/**
 * struct layout - all extents of a buffer
 * @extents: array that the owner of the layout allocates and frees
 * @capacity: number of entries that @extents has room for
 * @nr_extents: number of entries in use; two neighbours never form one longer extent
 * @nr_pages: length of the buffer
 */
struct layout {
	struct layout_extent *extents;
	u32 capacity;
	u32 nr_extents;
	u64 nr_pages;
};

int testexp_layout_append(struct layout *layout, struct layout_kind kind, u64 pfn, u64 nr_pages);

static inline bool layout_same_kind(struct layout_kind a, struct layout_kind b)
{
	return a.type == b.type && a.cache == b.cache && a.attributes == b.attributes;
}

/* Returns the offset of the first page of the extent. */
static inline u64 layout_extent_start(const struct layout_extent *extent)
{
	return extent->before + 1;
}

/* Returns the PFN of the first page of an extent that has PFNs. */
static inline u64 layout_extent_pfn(const struct layout_extent *extent)
{
	return layout_extent_start(extent) + extent->delta;
}

/* Returns the length of the extent in pages. */
static inline u64 layout_extent_pages(const struct layout_extent *extent)
{
	return extent->end - layout_extent_start(extent);
}

/*
 * Returns what get_pfn returns for the pages of the extent: 0, -ENXIO for a hole, -EOPNOTSUPP
 * for pages without a PFN of the CPU.
 */
static inline int layout_extent_error(const struct layout_extent *extent)
{
	if (unlikely(!extent->align_mask))
		return extent->kind.type == TESTEXP_EXTENT_HOLE ? -ENXIO : -EOPNOTSUPP;
	return 0;
}

/* Returns the extent that contains @pgoff, which is inside the buffer. */
static inline const struct layout_extent *layout_find(const struct layout *layout, u64 pgoff)
{
	const struct layout_extent *extent = layout->extents;
	u32 left, half;

	/* The result is one of the @left extents that begin at @extent. */
	for (left = layout->nr_extents; left > 1; left -= half) {
		half = left / 2;
		if (extent[half].before < pgoff)
			extent += half;
	}
	return extent;
}

/* Returns the position of the highest set bit of @word, which is not 0. */
static inline int layout_log2(u64 word)
{
#if BITS_PER_LONG == 64
	return __fls(word);
#else
	return fls64(word) - 1;
#endif
}

/*
 * Returns a word whose highest set bit is the largest order for which the naturally aligned
 * block around @pgoff is inside the extent and physically aligned. The word is not 0 if the
 * extent has PFNs. The block of order k starts inside the extent exactly when pgoff and the
 * page before the extent differ in bit k or a higher bit. It ends inside the extent exactly
 * when pgoff and the page after the extent differ in bit k or a higher bit. So the highest bit
 * of the smaller difference is the largest order, and no loop is needed.
 */
static inline u64 layout_order_word(const struct layout_extent *extent, u64 pgoff)
{
	u64 differ = min(pgoff ^ extent->before, pgoff ^ extent->end);

	return min(differ, extent->align_mask);
}

/**
 * layout_lookup - resolve one page
 * @layout: layout of the buffer
 * @pgoff: a page; the caller has checked that it is inside the buffer
 * @pfn: set on success
 * @max_order: set on success to the exact maximum, as the contract defines it
 *
 * This function is in the header because get_pfn spends most of its time here.
 *
 * Return: 0, -ENXIO for a hole, -EOPNOTSUPP for a page without a PFN of the CPU.
 */
static inline int layout_lookup(const struct layout *layout, u64 pgoff,
				u64 *pfn, int *max_order)
{
	const struct layout_extent *extent = layout_find(layout, pgoff);
	int error = layout_extent_error(extent);

	if (unlikely(error))
		return error;

	*pfn = pgoff + extent->delta;
	*max_order = layout_log2(layout_order_word(extent, pgoff));
	return 0;
}

#endif /* TESTEXP_LAYOUT_H */
