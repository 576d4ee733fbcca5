// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "exporter/backing.h"
#include "exporter/mmio.h"

static atomic64_t poison_violations = ATOMIC64_INIT(0);

/* Returns how many poisoned pages had changed when they were freed. */
u64 testexp_backing_poison_violations(void)
{
	return atomic64_read(&poison_violations);
}

/* --- checks of the extents, before memory is allocated -------------------------- */

/**
 * struct backing_needs - what all extents together need
 * @pages: length of the buffer
 * @ram_pages: pages of the buffer that must be allocated
 * @entries: largest number of extents that the layout can have
 * @runs: number of runs of RAM
 * @claims: number of MMIO extents
 */
struct backing_needs {
	u64 pages;
	u64 ram_pages;
	u64 entries;
	u64 runs;
	u32 claims;
};

static bool backing_has_placement(const struct testexp_extent *extent)
{
	return extent->align_order || extent->skew;
}

static int backing_check_extent(const struct testexp_extent *extent)
{
	u32 cache = extent->cache, attributes = extent->attributes;

	if (!extent->nr_pages || !extent->repeat || cache >= TESTEXP_CACHE_MODES ||
	    attributes & ~TESTEXP_EXTENT_ATTRIBUTES)
		return -EINVAL;
	if (extent->type != TESTEXP_EXTENT_RAM && backing_has_placement(extent))
		return -EINVAL;

	switch (extent->type) {
	case TESTEXP_EXTENT_RAM:
		if (extent->align_order > TESTEXP_MAX_ALIGN_ORDER ||
		    extent->skew >= 1ull << extent->align_order)
			return -EINVAL;
		fallthrough;
	case TESTEXP_EXTENT_HOLE:
	case TESTEXP_EXTENT_PRIVATE:
		if (extent->at)
			return -EINVAL;
		fallthrough;
	case TESTEXP_EXTENT_ALIAS:
		return cache == TESTEXP_CACHE_WB && !attributes ? 0 : -EINVAL;
	case TESTEXP_EXTENT_MMIO:
		if (cache == TESTEXP_CACHE_WB || attributes & TESTEXP_EXTENT_AS_MMIO)
			return -EINVAL;
		return 0;
	case TESTEXP_EXTENT_SYNTHETIC:
		return 0;
	default:
		return -EINVAL;
	}
}

/* Return: 0, or -EINVAL when the extent and its repeats end beyond the largest PFN. */
static int backing_check_end(const struct testexp_extent *extent, u64 *pages)
{
	u64 end;

	if (check_mul_overflow(extent->nr_pages, extent->repeat, pages) ||
	    check_add_overflow(extent->at, *pages, &end) || end > 1ull << TESTEXP_PFN_BITS)
		return -EINVAL;
	return 0;
}

static int backing_add_up_one(const struct testexp_extent *extent, struct backing_needs *needs)
{
	u64 pages;
	int ret = backing_check_extent(extent);

	if (!ret)
		ret = backing_check_end(extent, &pages);
	if (ret)
		return ret;

	/*
	 * Both values are below 2^53, so the sum does not overflow. A dma-buf has its size as a
	 * number of bytes in a size_t.
	 */
	needs->pages += pages;
	if (needs->pages > SSIZE_MAX >> PAGE_SHIFT)
		return -EINVAL;

	needs->entries += min_t(u64, extent->repeat, BACKING_MAX_EXTENTS + 1);
	if (needs->entries > BACKING_MAX_EXTENTS)
		return -ENOSPC;

	if (extent->type == TESTEXP_EXTENT_RAM) {
		needs->ram_pages += pages;
		needs->runs += extent->repeat;
	} else if (extent->type == TESTEXP_EXTENT_MMIO) {
		needs->claims++;
	}
	return needs->claims <= TESTEXP_MAX_MMIO_EXTENTS ? 0 : -ENOSPC;
}

static int backing_add_up(const struct testexp_extent *extents, u32 nr_extents,
			  struct backing_needs *needs)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < nr_extents && !ret; i++)
		ret = backing_add_up_one(extents + i, needs);
	return ret;
}

/* --- allocating the memory ------------------------------------------------------ */

static struct layout_kind backing_kind(const struct testexp_extent *extent)
{
	bool alias = extent->type == TESTEXP_EXTENT_ALIAS;

	return (struct layout_kind) {
		.type = alias ? TESTEXP_EXTENT_RAM : extent->type,
		.cache = extent->cache,
		.attributes = extent->attributes,
	};
}

static int backing_append_ram(struct backing *backing, const struct testexp_extent *extent,
			      bool scatter)
{
	struct memory_run *runs = backing->runs + backing->nr_runs, *run;
	u64 i, nth;
	int ret;

	for (i = 0; i < extent->repeat; i++) {
		run = runs + i;
		run->nr_pages = extent->nr_pages;
		ret = testexp_memory_alloc(run, extent->align_order, extent->skew);
		if (ret)
			return ret;
		backing->nr_runs++;
		cond_resched();
	}

	if (scatter) {
		ret = testexp_runs_sort(runs, extent->repeat);
		if (ret)
			return ret;
	}

	for (i = 0; i < extent->repeat; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		/* A run at a lower address never extends the run before it. */
		nth = scatter ? extent->repeat - 1 - i : i;
		ret = testexp_layout_append(&backing->layout, backing_kind(extent), runs[nth].pfn,
					    runs[nth].nr_pages);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/* Appends pages whose place the caller has chosen. @pfn: first PFN of the first repeat. */
static int backing_append_placed(struct backing *backing, const struct testexp_extent *extent,
				 u64 pfn, bool scatter)
{
	u64 i, nth;
	int ret;

	for (i = 0; i < extent->repeat; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		nth = scatter ? extent->repeat - 1 - i : i;
		ret = testexp_layout_append(&backing->layout, backing_kind(extent),
					    pfn + nth * extent->nr_pages, extent->nr_pages);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

static int backing_append_mmio(struct backing *backing, const struct testexp_extent *extent,
			       bool scatter)
{
	struct mmio_claim *claim = testexp_mmio_claim(extent->at,
						      extent->nr_pages * extent->repeat,
						      extent->cache);

	if (IS_ERR(claim))
		return PTR_ERR(claim);
	backing->claims[backing->nr_claims++] = claim;
	return backing_append_placed(backing, extent, testexp_mmio_first_pfn() + extent->at,
				     scatter);
}

static int backing_append_alias(struct backing *backing, const struct testexp_extent *extent)
{
	const struct layout *layout = &backing->layout;
	const struct layout_extent *original;
	u64 pages = extent->nr_pages * extent->repeat;

	if (extent->at >= layout->nr_pages)
		return -EINVAL;
	original = layout_find(layout, extent->at);
	if (original->kind.type != TESTEXP_EXTENT_RAM || original->end - extent->at < pages)
		return -EINVAL;

	backing->has_alias = true;
	return backing_append_placed(backing, extent, extent->at + original->delta, false);
}

static int backing_append(struct backing *backing, const struct testexp_extent *extent,
			  bool scatter)
{
	switch (extent->type) {
	case TESTEXP_EXTENT_RAM:
		return backing_append_ram(backing, extent, scatter);
	case TESTEXP_EXTENT_MMIO:
		return backing_append_mmio(backing, extent, scatter);
	case TESTEXP_EXTENT_SYNTHETIC:
		return backing_append_placed(backing, extent, extent->at, scatter);
	case TESTEXP_EXTENT_ALIAS:
		return backing_append_alias(backing, extent);
	default:
		return testexp_layout_append(&backing->layout, backing_kind(extent), 0,
					     extent->nr_pages * extent->repeat);
	}
}

static size_t backing_extents_bytes(const struct backing *backing)
{
	return backing->layout.capacity * sizeof(*backing->layout.extents);
}

static size_t backing_runs_bytes(const struct backing *backing)
{
	return backing->max_runs * sizeof(*backing->runs);
}

static size_t backing_claims_bytes(const struct backing *backing)
{
	return backing->max_claims * sizeof(*backing->claims);
}

/* Allocates the arrays. An array without entries is NULL. */
static int backing_alloc_arrays(struct backing *backing, const struct backing_needs *needs)
{
	struct layout *layout = &backing->layout;

	layout->capacity = needs->entries;
	backing->max_runs = needs->runs;
	backing->max_claims = needs->claims;

	layout->extents = testexp_memory_kvmalloc(backing_extents_bytes(backing));
	if (IS_ERR(layout->extents))
		return PTR_ERR(layout->extents);

	if (needs->runs) {
		backing->runs = testexp_memory_kvmalloc(backing_runs_bytes(backing));
		if (IS_ERR(backing->runs))
			return PTR_ERR(backing->runs);
	}
	if (needs->claims) {
		backing->claims = testexp_memory_kvzalloc(backing_claims_bytes(backing));
		if (IS_ERR(backing->claims))
			return PTR_ERR(backing->claims);
	}
	return 0;
}

/**
 * testexp_backing_create - allocate what the extents ask for
 * @backing: zeroed by the caller; on success filled in, for testexp_backing_destroy()
 * @extents: extents of the caller; this function checks them
 * @nr_extents: number of extents, at least 1
 * @scatter: put the repeats of one extent in descending physical order
 *
 * Return: 0 or a negative errno, as described at struct testexp_create.
 */
int testexp_backing_create(struct backing *backing, const struct testexp_extent *extents,
			   u32 nr_extents, bool scatter)
{
	struct backing_needs needs = {};
	int ret;
	u32 i;

	ret = backing_add_up(extents, nr_extents, &needs);
	if (ret)
		return ret;

	ret = testexp_memory_charge(needs.ram_pages);
	if (ret)
		return ret;
	backing->charged_pages = needs.ram_pages;

	ret = backing_alloc_arrays(backing, &needs);
	for (i = 0; i < nr_extents && !ret; i++) {
		ret = backing_append(backing, extents + i, scatter);
		cond_resched();
	}
	if (ret)
		testexp_backing_destroy(backing);
	return ret;
}

/* Counts the pages that somebody wrote to after a move took them away. */
static void backing_check_poison(const struct memory_run *run)
{
	u64 i;

	for (i = 0; i < run->nr_pages; i++) {
		void *bytes = kmap_local_page(pfn_to_page(run->pfn + i));

		if (memchr_inv(bytes, TESTEXP_POISON_BYTE, PAGE_SIZE))
			atomic64_inc(&poison_violations);
		kunmap_local(bytes);
		cond_resched();
	}
}

/* Frees everything. @backing may be incomplete, or zero. */
void testexp_backing_destroy(struct backing *backing)
{
	u32 i;

	for (i = 0; i < backing->nr_runs; i++) {
		if (backing->poisoned)
			backing_check_poison(backing->runs + i);
		testexp_memory_free(backing->runs + i);
	}
	for (i = 0; i < backing->nr_claims; i++)
		testexp_mmio_release(backing->claims[i]);

	testexp_memory_kvfree(backing->claims, backing_claims_bytes(backing));
	testexp_memory_kvfree(backing->runs, backing_runs_bytes(backing));
	testexp_memory_kvfree(backing->layout.extents, backing_extents_bytes(backing));
	testexp_memory_uncharge(backing->charged_pages);
}

/* --- a backing that is complete -------------------------------------------------- */

/* Returns whether any page is of this type. */
bool testexp_backing_has_type(const struct backing *backing, u32 type)
{
	u32 i;

	for (i = 0; i < backing->layout.nr_extents; i++)
		if (backing->layout.extents[i].kind.type == type)
			return true;
	return false;
}

/* Returns whether any page has this attribute. */
bool testexp_backing_has_attribute(const struct backing *backing, u32 attribute)
{
	u32 i;

	for (i = 0; i < backing->layout.nr_extents; i++)
		if (backing->layout.extents[i].kind.attributes & attribute)
			return true;
	return false;
}

/* Returns whether both have the same kind of page at every offset. PFNs may differ. */
bool testexp_backing_same_kinds(const struct backing *a, const struct backing *b)
{
	const struct layout_extent *in_a = a->layout.extents, *in_b = b->layout.extents;
	u64 pgoff = 0, nr_pages = a->layout.nr_pages;

	if (b->layout.nr_pages != nr_pages)
		return false;

	while (pgoff < nr_pages) {
		if (!layout_same_kind(in_a->kind, in_b->kind))
			return false;
		pgoff = min(in_a->end, in_b->end);
		in_a += in_a->end == pgoff;
		in_b += in_b->end == pgoff;
		cond_resched();
	}
	return true;
}

static int backing_copy_pages(u64 to_pfn, u64 from_pfn, u64 nr_pages)
{
	while (nr_pages--) {
		if (fatal_signal_pending(current))
			return -EINTR;
		copy_highpage(pfn_to_page(to_pfn++), pfn_to_page(from_pfn++));
		cond_resched();
	}
	return 0;
}

/**
 * testexp_backing_copy - copy the RAM of a whole buffer
 * @to: the new backing, which has the same kind of page at every offset
 * @from: the old backing; nobody writes to its pages
 *
 * Return: 0, or -EINTR when killed.
 */
int testexp_backing_copy(const struct backing *to, const struct backing *from)
{
	u64 pgoff = 0, end;
	int ret;

	for (; pgoff < from->layout.nr_pages; pgoff = end) {
		const struct layout_extent *source = layout_find(&from->layout, pgoff);
		const struct layout_extent *target = layout_find(&to->layout, pgoff);

		end = min(source->end, target->end);
		cond_resched();
		if (source->kind.type != TESTEXP_EXTENT_RAM)
			continue;
		ret = backing_copy_pages(pgoff + target->delta, pgoff + source->delta,
					 end - pgoff);
		if (ret)
			return ret;
	}
	return 0;
}

static int backing_poison_run(const struct memory_run *run)
{
	u64 i;

	for (i = 0; i < run->nr_pages; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		memset_page(pfn_to_page(run->pfn + i), 0, TESTEXP_POISON_BYTE, PAGE_SIZE);
		cond_resched();
	}
	return 0;
}

/*
 * Fills the pages with poison. So a reader that still uses the pages sees poison, and
 * backing_check_poison() finds what a writer changed. Poisoning can take long, so a process
 * that is killed leaves the pages as they are.
 */
void testexp_backing_poison(struct backing *backing)
{
	u32 i;

	for (i = 0; i < backing->nr_runs; i++)
		if (backing_poison_run(backing->runs + i))
			return;
	backing->poisoned = true;
}
