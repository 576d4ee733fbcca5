// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "backing.h"
#include "compat.h"

static unsigned long max_pages;
module_param(max_pages, ulong, 0400);
MODULE_PARM_DESC(max_pages, "Most pages all buffers together may hold (default: 3/4 of memory)");

static atomic64_t used_pages = ATOMIC64_INIT(0);
static atomic64_t poison_violations = ATOMIC64_INIT(0);

/* Return: 0, or -EINVAL for a limit that is more than the machine has. */
int backing_init_limit(void)
{
	if (!max_pages)
		max_pages = totalram_pages() / 4 * 3;
	return max_pages <= totalram_pages() ? 0 : -EINVAL;
}

u64 backing_max_pages(void)
{
	return max_pages;
}

u64 backing_used_pages(void)
{
	return atomic64_read(&used_pages);
}

/* Poisoned pages that were found changed when they were freed. */
u64 backing_poison_violations(void)
{
	return atomic64_read(&poison_violations);
}

/* Count @nr_pages against the module's limit. Return: 0 or -ENOSPC. */
int backing_charge(u64 nr_pages)
{
	if (nr_pages > max_pages)
		return -ENOSPC;
	if (atomic64_add_return(nr_pages, &used_pages) > max_pages) {
		atomic64_sub(nr_pages, &used_pages);
		return -ENOSPC;
	}
	return 0;
}

void backing_uncharge(u64 nr_pages)
{
	atomic64_sub(nr_pages, &used_pages);
}

static int backing_check_ram(const struct testexp_extent *extent)
{
	u64 max = 1ull << TESTEXP_MAX_PAGE_ORDER;

	if (extent->align_order > TESTEXP_MAX_PAGE_ORDER ||
	    extent->skew >= 1ull << extent->align_order ||
	    extent->nr_pages > max - extent->skew)
		return -EINVAL;
	return 0;
}

static int backing_check_extent(const struct testexp_extent *extent)
{
	if (!extent->nr_pages || !extent->repeat)
		return -EINVAL;

	switch (extent->type) {
	case TESTEXP_EXTENT_RAM:
		return backing_check_ram(extent);
	case TESTEXP_EXTENT_HOLE:
	case TESTEXP_EXTENT_PRIVATE:
		return extent->align_order || extent->skew ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

/* Order of the block to allocate for an extent, before it is trimmed. */
static unsigned int backing_block_order(const struct testexp_extent *extent)
{
	unsigned int needed = get_order((extent->skew + extent->nr_pages) << PAGE_SHIFT);

	return max_t(unsigned int, needed, extent->align_order);
}

/*
 * Checks all extents and adds up what they ask for: pages of the buffer, pages
 * of RAM, and entries of the layout. The sizes of a dma-buf are size_t bytes.
 */
static int backing_add_up(const struct testexp_extent *extents, u32 nr_extents,
			  u64 *ram_pages, u32 *nr_entries)
{
	u64 pages = 0, ram = 0, entries = 0;
	u32 i;

	for (i = 0; i < nr_extents; i++) {
		u64 here;
		int ret = backing_check_extent(extents + i);

		if (ret)
			return ret;
		if (check_mul_overflow(extents[i].nr_pages, extents[i].repeat, &here) ||
		    check_add_overflow(pages, here, &pages) ||
		    pages > SSIZE_MAX >> PAGE_SHIFT)
			return -EINVAL;
		if (extents[i].type == TESTEXP_EXTENT_RAM)
			ram += here;
		entries += min_t(u64, extents[i].repeat, BACKING_MAX_EXTENTS + 1);
		if (entries > BACKING_MAX_EXTENTS)
			return -ENOSPC;
	}
	*ram_pages = ram;
	*nr_entries = entries;
	return 0;
}

static void backing_free_pages(u64 pfn, u64 nr_pages)
{
	while (nr_pages--) {
		__free_page(pfn_to_page(pfn++));
		cond_resched();
	}
}

/* Allocates one RAM extent as single pages; returns the first PFN in *@pfn. */
static int backing_alloc_ram(const struct testexp_extent *extent, u64 *pfn)
{
	unsigned int order = backing_block_order(extent);
	/* A test must not wake the OOM killer: it is to fail instead. */
	struct page *page = alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN |
					__GFP_RETRY_MAYFAIL, order);
	u64 block, end, used;

	if (!page)
		return -ENOMEM;

	/* User mappings count references, so every page needs its own. */
	if (order)
		split_page(page, order);
	block = page_to_pfn(page);
	end = block + (1ull << order);
	*pfn = block + extent->skew;
	used = *pfn + extent->nr_pages;
	backing_free_pages(block, extent->skew);
	backing_free_pages(used, end - used);
	return 0;
}

static int backing_descending(const void *a, const void *b)
{
	u64 left = *(const u64 *)a, right = *(const u64 *)b;

	return left < right ? 1 : left > right ? -1 : 0;
}

static int backing_append_ram(struct layout *layout, const struct testexp_extent *extent,
			      bool scatter)
{
	u64 done, i, *pfns;
	int ret = 0;

	pfns = kvmalloc_array(extent->repeat, sizeof(*pfns), GFP_KERNEL_ACCOUNT);
	if (!pfns)
		return -ENOMEM;

	for (done = 0; done < extent->repeat; done++) {
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			goto err_free;
		}
		ret = backing_alloc_ram(extent, pfns + done);
		if (ret)
			goto err_free;
		cond_resched();
	}

	/* Whoever follows at a lower address cannot continue its predecessor. */
	if (scatter)
		sort(pfns, done, sizeof(*pfns), backing_descending, NULL);

	/* Cannot fail: the array has room for every repeat. */
	for (i = 0; i < done; i++)
		layout_append(layout, extent->type, pfns[i], extent->nr_pages);
	kvfree(pfns);
	return 0;

err_free:
	while (done--)
		backing_free_pages(pfns[done], extent->nr_pages);
	kvfree(pfns);
	return ret;
}

static int backing_append(struct layout *layout, const struct testexp_extent *extent,
			  bool scatter)
{
	if (extent->type == TESTEXP_EXTENT_RAM)
		return backing_append_ram(layout, extent, scatter);

	return layout_append(layout, extent->type, 0, extent->nr_pages * extent->repeat);
}

/**
 * backing_create - allocate what the extents ask for
 * @backing: zeroed; filled in, to be undone by backing_destroy() on success
 * @extents: validated here
 * @nr_extents: at least 1
 * @scatter: put repeats of one extent in descending physical order
 *
 * Return: 0, -EINVAL, -ENOSPC, -ENOMEM or -EINTR as TESTEXP_IOC_CREATE says.
 */
int backing_create(struct backing *backing, const struct testexp_extent *extents,
		   u32 nr_extents, bool scatter)
{
	struct layout *layout = &backing->layout;
	u64 ram_pages, charge;
	u32 nr_entries, i;
	int ret;

	ret = backing_add_up(extents, nr_extents, &ram_pages, &nr_entries);
	if (ret)
		return ret;

	charge = ram_pages + PFN_UP((u64)nr_entries * sizeof(*layout->extents));
	ret = backing_charge(charge);
	if (ret)
		return ret;
	backing->charged_pages = charge;

	ret = -ENOMEM;
	layout->extents = kvmalloc_array(nr_entries, sizeof(*layout->extents),
					 GFP_KERNEL_ACCOUNT);
	if (!layout->extents)
		goto err_destroy;
	layout->capacity = nr_entries;

	for (i = 0; i < nr_extents; i++) {
		ret = backing_append(layout, extents + i, scatter);
		if (ret)
			goto err_destroy;
	}
	return 0;

err_destroy:
	backing_destroy(backing);
	return ret;
}

/* Counts the pages that somebody wrote to after they were taken away. */
static void backing_check_poison(u64 pfn, u64 nr_pages)
{
	while (nr_pages--) {
		void *bytes = kmap_local_page(pfn_to_page(pfn++));

		if (memchr_inv(bytes, TESTEXP_POISON_BYTE, PAGE_SIZE))
			atomic64_inc(&poison_violations);
		kunmap_local(bytes);
		cond_resched();
	}
}

/* Gives everything back; @backing may be half made, or nothing but zeros. */
void backing_destroy(struct backing *backing)
{
	struct layout *layout = &backing->layout;
	u32 i;

	for (i = 0; i < layout->nr_extents; i++) {
		const struct layout_extent *extent = layout->extents + i;
		u64 pfn = layout_extent_pfn(extent), nr_pages = layout_extent_pages(extent);

		if (extent->type != TESTEXP_EXTENT_RAM)
			continue;
		if (backing->poisoned)
			backing_check_poison(pfn, nr_pages);
		backing_free_pages(pfn, nr_pages);
	}
	kvfree(layout->extents);
	backing_uncharge(backing->charged_pages);
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

/* Whether the two have the same types page by page. */
bool backing_same_types(const struct backing *a, const struct backing *b)
{
	u64 pgoff = 0, nr_pages = a->layout.nr_pages;

	if (b->layout.nr_pages != nr_pages)
		return false;

	while (pgoff < nr_pages) {
		const struct layout_extent *in_a = layout_find(&a->layout, pgoff);
		const struct layout_extent *in_b = layout_find(&b->layout, pgoff);

		if (in_a->type != in_b->type)
			return false;
		pgoff = min(in_a->end, in_b->end);
	}
	return true;
}

/**
 * backing_copy - copy the contents of a whole buffer
 * @to: has the same types page by page
 * @from: nobody writes to it
 *
 * Return: 0, or -EINTR when killed.
 */
int backing_copy(const struct backing *to, const struct backing *from)
{
	u64 pgoff = 0, end;
	int ret;

	for (; pgoff < from->layout.nr_pages; pgoff = end) {
		const struct layout_extent *source = layout_find(&from->layout, pgoff);
		const struct layout_extent *target = layout_find(&to->layout, pgoff);

		end = min(source->end, target->end);
		if (source->type != TESTEXP_EXTENT_RAM)
			continue;
		ret = backing_copy_pages(pgoff + target->delta, pgoff + source->delta,
					 end - pgoff);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * Makes whoever still reads the pages see that he must not, and whoever writes to
 * them seen when they are freed. Left undone when killed, as it may take long.
 */
void backing_poison(struct backing *backing)
{
	const struct layout *layout = &backing->layout;
	u64 pgoff, pfn;
	u32 i;

	for (i = 0; i < layout->nr_extents; i++) {
		const struct layout_extent *extent = layout->extents + i;

		if (extent->type != TESTEXP_EXTENT_RAM)
			continue;
		pfn = layout_extent_pfn(extent);
		for (pgoff = layout_extent_start(extent); pgoff < extent->end; pgoff++) {
			if (fatal_signal_pending(current))
				return;
			memset_page(pfn_to_page(pfn++), 0, TESTEXP_POISON_BYTE, PAGE_SIZE);
			cond_resched();
		}
	}
	backing->poisoned = true;
}
