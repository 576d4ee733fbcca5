// SPDX-License-Identifier: GPL-2.0
/* Paths that read the caller's page table, as KVM and VFIO do today. */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "bench/paths.h"
#include "bench/paths_loop.h"
#include "importer/walk.h"
#include "compat.h"

#if TESTEXP_HAS_WALK

/* Number of pages faulted in under one hold of the mmap lock. */
#define PFNMAP_CHUNK	512

static u64 pfnmap_bytes(const struct resolve_run *run)
{
	return (run->end - run->first) << PAGE_SHIFT;
}

/* Called under the mmap lock. Return: the mapping of the whole window, -EFAULT or -EINVAL. */
static struct vm_area_struct *pfnmap_find(const struct resolve_run *run)
{
	struct vm_area_struct *vma = walk_find(current->mm, run->address);

	if (IS_ERR(vma))
		return vma;
	if (vma->vm_file != run->attach->dmabuf->file || !PAGE_ALIGNED(run->address) ||
	    linear_page_index(vma, run->address) != run->first ||
	    vma->vm_end - run->address < pfnmap_bytes(run))
		return ERR_PTR(-EINVAL);
	return vma;
}

static int pfnmap_check(struct resolve_run *run)
{
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(current->mm))
		return -EINTR;
	vma = pfnmap_find(run);
	mmap_read_unlock(current->mm);
	return PTR_ERR_OR_ZERO(vma);
}

/* Faults in pages, and checks that they are in leaves of the wanted size. */
static int pfnmap_warm_chunk(const struct resolve_run *run, u64 first, u64 end, bool want_pte)
{
	struct mm_struct *mm = current->mm;
	int ret = 0;
	u64 page;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (page = first; !ret && page < end; page++) {
		struct follow_pfnmap_args found = {
			.address = run->address + (page << PAGE_SHIFT),
		};

		ret = walk_start(mm, true, &found);
		if (ret)
			break;
		/* In 6.12 only ptep tells the size of the leaf: a larger leaf has no PTE. */
		if (want_pte != !!found.ptep)
			ret = -ENODATA;
		follow_pfnmap_end(&found);
	}
	mmap_read_unlock(mm);
	return ret;
}

static int pfnmap_warm(struct resolve_run *run, bool want_pte)
{
	u64 nr_pages = run->end - run->first, done, end;
	int ret = pfnmap_check(run);

	for (done = 0; !ret && done < nr_pages; done = end) {
		end = min(done + PFNMAP_CHUNK, nr_pages);
		ret = signal_pending(current) ? -EINTR :
						pfnmap_warm_chunk(run, done, end, want_pte);
		cond_resched();
	}
	return ret;
}

static int pfnmap_warm_pte(struct resolve_run *run)
{
	return pfnmap_warm(run, true);
}

static int pfnmap_warm_pmd(struct resolve_run *run)
{
	return pfnmap_warm(run, false);
}

/* A batch must resolve each page once only: a page is not cold the second time. */
static int pfnmap_zap(struct resolve_run *run, u32 ops)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int ret = 0;

	if (ops > DIV64_U64_ROUND_UP(run->end - run->first, run->stride))
		return -EINVAL;
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = pfnmap_find(run);
	if (IS_ERR(vma))
		ret = PTR_ERR(vma);
	else
		testexp_zap_pfnmap(vma, run->address, pfnmap_bytes(run));
	mmap_read_unlock(mm);
	return ret;
}

static __always_inline int pfnmap_page(struct resolve_run *run, u64 pgoff, u64 *pfn, int *order)
{
	struct follow_pfnmap_args found = {
		.address = run->address + ((pgoff - run->first) << PAGE_SHIFT),
	};
	struct mm_struct *mm = current->mm;
	int ret;

	mmap_read_lock(mm);
	ret = walk_start(mm, true, &found);
	if (!ret) {
		*pfn = found.pfn;
		follow_pfnmap_end(&found);
	}
	mmap_read_unlock(mm);
	return ret;
}

static __always_inline int resolve_ops_pfnmap(struct resolve_run *run, u32 ops, bool deliver)
{
	return resolve_pages(run, ops, pfnmap_page, deliver);
}

RESOLVE_LOOPS(pfnmap)

#else

static int pfnmap_absent(struct resolve_run *run)
{
	return -EOPNOTSUPP;
}

#define pfnmap_warm_pte		pfnmap_absent
#define pfnmap_warm_pmd		pfnmap_absent
#define pfnmap_check		pfnmap_absent
#define pfnmap_zap		NULL
#define resolve_run_pfnmap	NULL
#define resolve_deliver_pfnmap	NULL

#endif

static const struct resolve_path paths_pfnmap[] = {
	{
		.number = TESTEXP_PATH_FOLLOW_PFNMAP_PTE,
		RESOLVE_LOOPS_OF(pfnmap),
		.prepare = pfnmap_warm_pte,
		.any_sequence = true,
		.takes_address = true,
	},
	{
		.number = TESTEXP_PATH_FOLLOW_PFNMAP_PMD,
		RESOLVE_LOOPS_OF(pfnmap),
		.prepare = pfnmap_warm_pmd,
		.any_sequence = true,
		.takes_address = true,
	},
	{
		.number = TESTEXP_PATH_FOLLOW_PFNMAP_COLD,
		RESOLVE_LOOPS_OF(pfnmap),
		.prepare = pfnmap_check,
		.rewind = pfnmap_zap,
		.any_sequence = true,
		.takes_address = true,
	},
};

const struct resolve_table testexp_paths_pfnmap = {
	.paths = paths_pfnmap,
	.nr_paths = ARRAY_SIZE(paths_pfnmap),
};
