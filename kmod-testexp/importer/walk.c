// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "exporter/memory.h"
#include "importer/walk.h"
#include "compat.h"

#if TESTEXP_HAS_WALK

/* Number of pages under one hold of the mmap lock, and of results in one copy. */
#define WALK_CHUNK	512

/* The protection has a cache mode exactly when setting that mode does not change it. */
static u32 walk_cache_mode(pgprot_t prot)
{
	if (pgprot_val(pgprot_writecombine(prot)) == pgprot_val(prot))
		return TESTEXP_CACHE_WC;
	if (pgprot_val(pgprot_noncached(prot)) == pgprot_val(prot))
		return TESTEXP_CACHE_UC;
	return TESTEXP_CACHE_WB;
}

/* Called under the mmap lock. @fault_in works for a VM_PFNMAP mapping only. */
static struct testexp_walked walk_page(struct mm_struct *mm, unsigned long address, bool fault_in)
{
	struct follow_pfnmap_args found = { .address = address };
	struct testexp_walked walked = {};

	walked.error = walk_start(mm, fault_in, &found);
	if (walked.error)
		return walked;
	walked.pfn = found.pfn;
	walked.cache = walk_cache_mode(found.pgprot);
	follow_pfnmap_end(&found);
	return walked;
}

static int walk_chunk(const struct testexp_walk *args, u64 first, struct testexp_walked *results,
		      u32 count)
{
	struct mm_struct *mm = current->mm;
	u32 i;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (i = 0; i < count; i++)
		results[i] = walk_page(mm, args->address + ((first + i) << PAGE_SHIFT),
				       args->flags & TESTEXP_WALK_FAULT_IN);
	mmap_read_unlock(mm);
	return 0;
}

static int walk_chunks(const struct testexp_walk *args, struct testexp_walked *results)
{
	struct testexp_walked __user *user_results = u64_to_user_ptr(args->results);
	u64 done;
	u32 here;

	for (done = 0; done < args->count; done += here) {
		here = min_t(u64, args->count - done, WALK_CHUNK);
		if (fatal_signal_pending(current) || walk_chunk(args, done, results, here))
			return -EINTR;
		if (copy_to_user(user_results + done, results, here * sizeof(*results)))
			return -EFAULT;
		cond_resched();
	}
	return 0;
}

/* Serves TESTEXP_IOC_WALK: see struct testexp_walk. */
int testexp_walk_run(const struct testexp_walk *args)
{
	struct testexp_walked *results;
	u64 length, end;
	int ret;

	if (!args->count || !PAGE_ALIGNED(args->address))
		return -EINVAL;
	if (check_mul_overflow(args->count, (u64)PAGE_SIZE, &length) ||
	    check_add_overflow(args->address, length, &end) || end > ULONG_MAX)
		return -EOVERFLOW;

	results = testexp_memory_kvzalloc(WALK_CHUNK * sizeof(*results));
	if (IS_ERR(results))
		return PTR_ERR(results);
	ret = walk_chunks(args, results);
	testexp_memory_kvfree(results, WALK_CHUNK * sizeof(*results));
	return ret;
}

#else

int testexp_walk_run(const struct testexp_walk *args)
{
	return -EOPNOTSUPP;
}

#endif
