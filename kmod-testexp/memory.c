// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "compat.h"
#include "memory.h"

static unsigned long max_pages;
module_param(max_pages, ulong, 0400);
MODULE_PARM_DESC(max_pages, "Most pages all buffers together may hold (default: 3/4 of memory)");

static atomic64_t used_pages = ATOMIC64_INIT(0);

/* A test must not wake the OOM killer: it is to fail instead. */
#define MEMORY_GFP	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN)

#define MEMORY_BLOCK_PAGES	BIT_ULL(TESTEXP_MAX_PAGE_ORDER)

/* Blocks that are taken before the next look whether some are neighbours. */
#define MEMORY_GATHER_STEP	64

/* Return: 0, or -EINVAL for a limit that is more than the machine has. */
int memory_init_limit(void)
{
	if (!max_pages)
		max_pages = totalram_pages() / 4 * 3;
	return max_pages <= totalram_pages() ? 0 : -EINVAL;
}

u64 memory_max_pages(void)
{
	return max_pages;
}

u64 memory_used_pages(void)
{
	return atomic64_read(&used_pages);
}

/* Count @nr_pages against the module's limit. Return: 0 or -ENOSPC. */
int memory_charge(u64 nr_pages)
{
	if (nr_pages > max_pages)
		return -ENOSPC;
	if (atomic64_add_return(nr_pages, &used_pages) > max_pages) {
		atomic64_sub(nr_pages, &used_pages);
		return -ENOSPC;
	}
	return 0;
}

void memory_uncharge(u64 nr_pages)
{
	atomic64_sub(nr_pages, &used_pages);
}

static void memory_free_pages(u64 pfn, u64 end)
{
	for (; pfn < end; pfn++) {
		__free_page(pfn_to_page(pfn));
		cond_resched();
	}
}

void memory_free(const struct memory_run *run)
{
	memory_free_pages(run->pfn, run->pfn + run->nr_pages);
}

/* Makes single pages of a block, and frees those outside @run. */
static void memory_trim(u64 block, unsigned int order, const struct memory_run *run)
{
	u64 end = block + (1ull << order);
	u64 used = clamp(run->pfn, block, end);
	u64 used_end = clamp(run->pfn + run->nr_pages, block, end);

	/* User mappings count references, so every page needs its own. */
	if (order)
		split_page(pfn_to_page(block), order);
	memory_free_pages(block, used);
	memory_free_pages(used_end, end);
}

static int memory_alloc_block(struct memory_run *run, unsigned int order, u64 skew)
{
	struct page *page = alloc_pages(MEMORY_GFP | __GFP_RETRY_MAYFAIL, order);

	if (!page)
		return -ENOMEM;
	run->pfn = page_to_pfn(page) + skew;
	memory_trim(page_to_pfn(page), order, run);
	return 0;
}

/* --- runs that are longer than what the allocator gives at once -------------- */

/**
 * struct memory_gather - blocks of the largest order, some of them neighbours
 * @pfns: first page of each
 * @nr_blocks: entries of @pfns
 * @capacity: room in @pfns: as many as the limit ever allows
 * @free_blocks: how many are charged already, by whoever wants the run
 */
struct memory_gather {
	u64 *pfns;
	u64 nr_blocks;
	u64 capacity;
	u64 free_blocks;
};

static bool memory_gather_one(struct memory_gather *gather)
{
	bool charge = gather->nr_blocks >= gather->free_blocks;
	struct page *page;

	if (gather->nr_blocks == gather->capacity || fatal_signal_pending(current))
		return false;
	if (charge && memory_charge(MEMORY_BLOCK_PAGES))
		return false;

	page = alloc_pages(MEMORY_GFP | __GFP_NORETRY, TESTEXP_MAX_PAGE_ORDER);
	if (!page) {
		if (charge)
			memory_uncharge(MEMORY_BLOCK_PAGES);
		return false;
	}
	gather->pfns[gather->nr_blocks++] = page_to_pfn(page);
	return true;
}

/* Whether it took any. */
static bool memory_gather_more(struct memory_gather *gather)
{
	int step;

	for (step = 0; step < MEMORY_GATHER_STEP; step++) {
		if (!memory_gather_one(gather))
			break;
		cond_resched();
	}
	return step;
}

static int memory_ascending(const void *a, const void *b)
{
	u64 left = *(const u64 *)a, right = *(const u64 *)b;

	return left < right ? -1 : left > right ? 1 : 0;
}

/* Whether there is a place for @run among neighbours; sets its PFN then. */
static bool memory_gather_find(struct memory_gather *gather, struct memory_run *run,
			       unsigned int align_order, u64 skew)
{
	u64 i, start = 0, end = 0, first;

	sort(gather->pfns, gather->nr_blocks, sizeof(*gather->pfns), memory_ascending, NULL);
	for (i = 0; i < gather->nr_blocks; i++) {
		if (gather->pfns[i] != end)
			start = gather->pfns[i];
		end = gather->pfns[i] + MEMORY_BLOCK_PAGES;

		/* The first PFN from start on that is skew modulo the alignment. */
		first = start + ((skew - start) & ((1ull << align_order) - 1));
		if (end >= first + run->nr_pages) {
			run->pfn = first;
			return true;
		}
	}
	return false;
}

/* Gives back all pages but those of @run. */
static void memory_gather_end(struct memory_gather *gather, const struct memory_run *run)
{
	u64 i, run_end = run->pfn + run->nr_pages;

	for (i = 0; i < gather->nr_blocks; i++) {
		u64 block = gather->pfns[i];

		if (block + MEMORY_BLOCK_PAGES <= run->pfn || block >= run_end)
			__free_pages(pfn_to_page(block), TESTEXP_MAX_PAGE_ORDER);
		else
			memory_trim(block, TESTEXP_MAX_PAGE_ORDER, run);
		cond_resched();
	}
	if (gather->nr_blocks > gather->free_blocks)
		memory_uncharge((gather->nr_blocks - gather->free_blocks) * MEMORY_BLOCK_PAGES);
	kvfree(gather->pfns);
}

/*
 * Takes blocks until enough of them happen to be neighbours: that needs no
 * reservation at boot and works on every kernel.
 */
static int memory_alloc_gathered(struct memory_run *run, unsigned int align_order, u64 skew)
{
	struct memory_gather gather = {
		.capacity = max_pages / MEMORY_BLOCK_PAGES,
		.free_blocks = run->nr_pages / MEMORY_BLOCK_PAGES,
	};
	const struct memory_run nothing = {};
	bool found = false;

	gather.pfns = kvmalloc_array(gather.capacity, sizeof(*gather.pfns), GFP_KERNEL_ACCOUNT);
	if (!gather.pfns)
		return -ENOMEM;

	while (!found && memory_gather_more(&gather))
		found = memory_gather_find(&gather, run, align_order, skew);

	memory_gather_end(&gather, found ? run : &nothing);
	if (found)
		return 0;
	return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
}

/**
 * memory_alloc - allocate physically contiguous pages, zeroed
 * @run: its nr_pages says how many, and they are charged; gets the PFN
 * @align_order: the first PFN is @skew modulo 2^@align_order
 * @skew: less than 2^@align_order
 *
 * Return: 0, -ENOMEM, or -EINTR when killed.
 */
int memory_alloc(struct memory_run *run, unsigned int align_order, u64 skew)
{
	unsigned int order = max_t(unsigned int, align_order,
				   get_order((skew + run->nr_pages) << PAGE_SHIFT));

	if (fatal_signal_pending(current))
		return -EINTR;
	if (order <= TESTEXP_MAX_PAGE_ORDER)
		return memory_alloc_block(run, order, skew);
	return memory_alloc_gathered(run, align_order, skew);
}
