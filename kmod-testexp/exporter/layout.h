/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the pages of a buffer are: extents in order of pgoff, without gaps.
 * Pure: no locking, no allocation, so it is unit-tested natively as well.
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
 * struct layout_kind - what pages have in common that one block may contain
 * @type: enum testexp_extent_type; an ALIAS is RAM here
 * @cache: enum testexp_cache
 * @attributes: TESTEXP_EXTENT_P2P
 */
struct layout_kind {
	u32 type;
	u16 cache;
	u16 attributes;
};

/**
 * struct layout_extent - a maximal run of pages of one kind
 * @before: offset of the page before its first; all ones for the first extent,
 *	so it is compared only where it cannot be that one
 * @end: offset of the page behind its last
 * @delta: what to add to a pgoff to get its PFN, modulo 2^64; 0 for types that
 *	have none
 * @align_mask: ones up to and including bit k, for the largest k for which PFN
 *	and pgoff are congruent modulo 2^k; 0 for types that have no PFN
 * @kind: what the pages are
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

int testexp_layout_append(struct layout *layout, struct layout_kind kind, u64 pfn, u64 nr_pages);

static inline bool layout_same_kind(struct layout_kind a, struct layout_kind b)
{
	return a.type == b.type && a.cache == b.cache && a.attributes == b.attributes;
}

/* Offset of the extent's first page. */
static inline u64 layout_extent_start(const struct layout_extent *extent)
{
	return extent->before + 1;
}

/* PFN of the extent's first page; meaningless for types that have none. */
static inline u64 layout_extent_pfn(const struct layout_extent *extent)
{
	return layout_extent_start(extent) + extent->delta;
}

/* Length of the extent in pages. */
static inline u64 layout_extent_pages(const struct layout_extent *extent)
{
	return extent->end - layout_extent_start(extent);
}

/* What get_pfn says of its pages: 0, -ENXIO in a hole, -EOPNOTSUPP where the CPU has no PFN. */
static inline int layout_extent_error(const struct layout_extent *extent)
{
	if (unlikely(!extent->align_mask))
		return extent->kind.type == TESTEXP_EXTENT_HOLE ? -ENXIO : -EOPNOTSUPP;
	return 0;
}

/* The extent that contains @pgoff, which is inside the buffer. */
static inline const struct layout_extent *layout_find(const struct layout *layout, u64 pgoff)
{
	const struct layout_extent *extent = layout->extents;
	u32 left, half;

	/* It is among the @left extents from @extent on. */
	for (left = layout->nr_extents; left > 1; left -= half) {
		half = left / 2;
		if (extent[half].before < pgoff)
			extent += half;
	}
	return extent;
}

/* Position of the highest set bit; @word is not 0. One instruction where it can be. */
static inline int layout_log2(u64 word)
{
#if BITS_PER_LONG == 64
	return __fls(word);
#else
	return fls64(word) - 1;
#endif
}

/*
 * A word whose highest bit is the largest order whose naturally aligned block
 * round @pgoff stays inside the extent and is aligned physically. Not 0 if the
 * extent has PFNs. The block of order k starts at or behind the extent's start exactly
 * when pgoff and the page before the start differ in a bit k or higher, and it
 * ends in time exactly when pgoff and the page behind the end do. So the highest
 * bit of the smaller difference is the answer, and no loop is needed.
 */
static inline u64 layout_order_word(const struct layout_extent *extent, u64 pgoff)
{
	u64 differ = min(pgoff ^ extent->before, pgoff ^ extent->end);

	return min(differ, extent->align_mask);
}

/**
 * layout_lookup - resolve one page
 * @layout: the buffer
 * @pgoff: page inside it; the caller has checked that
 * @pfn: set on success
 * @max_order: set on success to the exact maximum, as the contract defines it
 *
 * In the header, because this is what get_pfn spends its time in.
 *
 * Return: 0, -ENXIO in a hole, -EOPNOTSUPP where the CPU has no PFN.
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
