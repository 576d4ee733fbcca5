// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "exporter/memory.h"
#include "compat.h"

static unsigned long max_pages;
module_param(max_pages, ulong, 0400);
MODULE_PARM_DESC(max_pages, "Most pages that the module may hold (default: 3/4 of memory)");

static atomic64_t used_pages = ATOMIC64_INIT(0);

#define MEMORY_SMALL_BYTES	(PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)

/*
 * Each use adds __GFP_RETRY_MAYFAIL or __GFP_NORETRY, so that an allocation fails and does not
 * start the OOM killer.
 */
#define MEMORY_GFP	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN)

#define MEMORY_BLOCK_PAGES	BIT_ULL(TESTEXP_MAX_PAGE_ORDER)

/* How many blocks are taken before the next search for neighbours among them. */
#define MEMORY_GATHER_STEP	64

/* Return: 0, or -EINVAL when the limit is more memory than the machine has. */
int testexp_memory_init_limit(void)
{
	if (!max_pages)
		max_pages = totalram_pages() / 4 * 3;
	return max_pages <= totalram_pages() ? 0 : -EINVAL;
}

u64 testexp_memory_max_pages(void)
{
	return max_pages;
}

u64 testexp_memory_used_pages(void)
{
	return atomic64_read(&used_pages);
}

/* Counts @nr_pages against the limit of the module. Return: 0 or -ENOSPC. */
int testexp_memory_charge(u64 nr_pages)
{
	return charge_add(&used_pages, max_pages, nr_pages);
}

void testexp_memory_uncharge(u64 nr_pages)
{
	atomic64_sub(nr_pages, &used_pages);
}

static void *memory_kvalloc(size_t bytes, gfp_t flags)
{
	int ret = testexp_memory_charge(PFN_UP(bytes));
	void *room;

	if (ret)
		return ERR_PTR(ret);

	/*
	 * A small array only comes from kmalloc(), without the fallback of kvmalloc(): so a
	 * test that injects one failed allocation sees it fail. A caller may ask for more than
	 * INT_MAX bytes, of which kvmalloc() would warn.
	 */
	flags |= GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	room = bytes <= MEMORY_SMALL_BYTES ? kmalloc(bytes, flags) : kvmalloc(bytes, flags);
	if (!room) {
		testexp_memory_uncharge(PFN_UP(bytes));
		return ERR_PTR(-ENOMEM);
	}
	return room;
}

/**
 * testexp_memory_kvmalloc - allocate an array whose length the caller of an ioctl chooses
 * @bytes: its size; the array is charged this size, rounded up to pages
 *
 * All arrays of such a length come from this function or from testexp_memory_kvzalloc(), even
 * when the array is freed before the ioctl returns.
 *
 * Return: memory for testexp_memory_kvfree(), or ERR_PTR() of -ENOSPC over the module's limit
 * or of -ENOMEM.
 */
void *testexp_memory_kvmalloc(size_t bytes)
{
	return memory_kvalloc(bytes, 0);
}

/* As testexp_memory_kvmalloc(), but the memory is zeroed. */
void *testexp_memory_kvzalloc(size_t bytes)
{
	return memory_kvalloc(bytes, __GFP_ZERO);
}

/*
 * @room: NULL, or what testexp_memory_kvmalloc() or testexp_memory_kvzalloc() returned for the
 *	same @bytes
 */
void testexp_memory_kvfree(const void *room, size_t bytes)
{
	if (IS_ERR_OR_NULL(room))
		return;
	kvfree(room);
	testexp_memory_uncharge(PFN_UP(bytes));
}

static void memory_free_pages(u64 pfn, u64 end)
{
	for (; pfn < end; pfn++) {
		__free_page(pfn_to_page(pfn));
		cond_resched();
	}
}

void testexp_memory_free(const struct memory_run *run)
{
	memory_free_pages(run->pfn, run->pfn + run->nr_pages);
}

/* Splits a block into single pages, and frees the pages outside @run. */
static void memory_trim(u64 block, unsigned int order, const struct memory_run *run)
{
	u64 end = block + (1ull << order);
	u64 used = clamp(run->pfn, block, end);
	u64 used_end = clamp(run->pfn + run->nr_pages, block, end);

	/* A user mapping counts references, so every page needs a reference count of its own. */
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

/* --- runs that are longer than the largest block of the allocator --------------- */

/**
 * struct memory_gather - blocks of the largest order, some of them neighbours
 * @blocks: the blocks, each as a run
 * @nr_blocks: number of entries in @blocks
 * @capacity: number of entries that @blocks has room for: as many as the limit allows
 * @free_blocks: number of blocks that the caller has charged already
 */
struct memory_gather {
	struct memory_run *blocks;
	u64 nr_blocks;
	u64 capacity;
	u64 free_blocks;
};

static size_t memory_gather_bytes(const struct memory_gather *gather)
{
	return gather->capacity * sizeof(*gather->blocks);
}

static bool memory_gather_one(struct memory_gather *gather)
{
	bool charge = gather->nr_blocks >= gather->free_blocks;
	struct page *page;

	if (gather->nr_blocks == gather->capacity || fatal_signal_pending(current))
		return false;
	if (charge && testexp_memory_charge(MEMORY_BLOCK_PAGES))
		return false;

	page = alloc_pages(MEMORY_GFP | __GFP_NORETRY, TESTEXP_MAX_PAGE_ORDER);
	if (!page) {
		if (charge)
			testexp_memory_uncharge(MEMORY_BLOCK_PAGES);
		return false;
	}
	gather->blocks[gather->nr_blocks++] = (struct memory_run) {
		.pfn = page_to_pfn(page),
		.nr_pages = MEMORY_BLOCK_PAGES,
	};
	return true;
}

/* Takes some more blocks. Returns whether there was at least one. */
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

/* Returns whether @run fits into blocks that are neighbours, and sets its PFN if so. */
static bool memory_gather_find(struct memory_gather *gather, struct memory_run *run,
			       unsigned int align_order, u64 skew)
{
	u64 i, start = 0, end = 0, first;

	/* When the process is killed here, memory_gather_more() returns false next. */
	if (testexp_runs_sort(gather->blocks, gather->nr_blocks))
		return false;
	for (i = 0; i < gather->nr_blocks; i++) {
		if (gather->blocks[i].pfn != end)
			start = gather->blocks[i].pfn;
		end = gather->blocks[i].pfn + MEMORY_BLOCK_PAGES;

		/* The first PFN at or after start that is skew modulo the alignment. */
		first = start + ((skew - start) & ((1ull << align_order) - 1));
		if (end >= first + run->nr_pages) {
			run->pfn = first;
			return true;
		}
	}
	return false;
}

/* Frees all pages except those of @run. */
static void memory_gather_end(struct memory_gather *gather, const struct memory_run *run)
{
	u64 i, run_end = run->pfn + run->nr_pages;

	for (i = 0; i < gather->nr_blocks; i++) {
		u64 block = gather->blocks[i].pfn;

		if (block + MEMORY_BLOCK_PAGES <= run->pfn || block >= run_end)
			__free_pages(pfn_to_page(block), TESTEXP_MAX_PAGE_ORDER);
		else
			memory_trim(block, TESTEXP_MAX_PAGE_ORDER, run);
		cond_resched();
	}
	if (gather->nr_blocks > gather->free_blocks)
		testexp_memory_uncharge((gather->nr_blocks - gather->free_blocks) *
					MEMORY_BLOCK_PAGES);
	testexp_memory_kvfree(gather->blocks, memory_gather_bytes(gather));
}

/*
 * Takes blocks until enough of them happen to be neighbours. This way needs no reservation at
 * boot and works on every kernel.
 */
static int memory_alloc_gathered(struct memory_run *run, unsigned int align_order, u64 skew)
{
	struct memory_gather gather = {
		.capacity = max_pages / MEMORY_BLOCK_PAGES,
		.free_blocks = run->nr_pages / MEMORY_BLOCK_PAGES,
	};
	const struct memory_run nothing = {};
	bool found = false;

	gather.blocks = testexp_memory_kvmalloc(memory_gather_bytes(&gather));
	if (IS_ERR(gather.blocks))
		return PTR_ERR(gather.blocks);

	while (!found && memory_gather_more(&gather))
		found = memory_gather_find(&gather, run, align_order, skew);

	memory_gather_end(&gather, found ? run : &nothing);
	if (found)
		return 0;
	return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
}

/**
 * testexp_memory_alloc - allocate physically contiguous pages, zeroed
 * @run: nr_pages is the number of pages, which the caller has charged; pfn is filled in
 * @align_order: the first PFN is @skew modulo 2^@align_order
 * @skew: a value less than 2^@align_order
 *
 * Return: 0, -ENOMEM, -ENOSPC over the module's limit, or -EINTR when killed.
 */
int testexp_memory_alloc(struct memory_run *run, unsigned int align_order, u64 skew)
{
	unsigned int order = max_t(unsigned int, align_order,
				   get_order((skew + run->nr_pages) << PAGE_SHIFT));

	if (fatal_signal_pending(current))
		return -EINTR;
	if (order <= TESTEXP_MAX_PAGE_ORDER)
		return memory_alloc_block(run, order, skew);
	return memory_alloc_gathered(run, align_order, skew);
}
