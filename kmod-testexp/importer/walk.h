/* SPDX-License-Identifier: GPL-2.0 */
/* PFNs from the caller's page table: how they are had without get_pfn. */
#ifndef TESTEXP_WALK_H
#define TESTEXP_WALK_H

#include <linux/err.h>
#include <linux/mm.h>

#include "compat.h"
#include "testexp_uapi.h"

#if TESTEXP_HAS_WALK

/* Under the mmap lock. The VM_PFNMAP mapping there, -EFAULT without one, -EINVAL if it is none. */
static inline struct vm_area_struct *walk_find(struct mm_struct *mm, unsigned long address)
{
	struct vm_area_struct *vma = vma_lookup(mm, address);

	if (!vma)
		return ERR_PTR(-EFAULT);
	return vma->vm_flags & VM_PFNMAP ? vma : ERR_PTR(-EINVAL);
}

/* How often a page is faulted in again that another thread takes away before it is looked at. */
#define WALK_FAULTS	100

/**
 * walk_start - look at the entry of one page, as KVM's hva_to_pfn() does
 * @mm: address space, its mmap lock held; the lock may be dropped and taken again
 * @fault_in: fault in for writing what is not there
 * @found: zero but for address; as follow_pfnmap_start() fills it in, to be given to
 *	follow_pfnmap_end() unless this fails
 *
 * In the header, because it is timed.
 *
 * Return: 0, -EFAULT where nothing is mapped, -EINVAL where it is not VM_PFNMAP,
 * what the fault came to, or -EAGAIN when the page was gone again WALK_FAULTS times.
 */
static inline int walk_start(struct mm_struct *mm, bool fault_in, struct follow_pfnmap_args *found)
{
	bool unlocked = false;
	int faults, ret;

	found->vma = walk_find(mm, found->address);
	for (faults = 0; faults < WALK_FAULTS; faults++) {
		if (IS_ERR(found->vma))
			return PTR_ERR(found->vma);
		if (!follow_pfnmap_start(found))
			return 0;
		if (!fault_in)
			return -EFAULT;

		ret = fixup_user_fault(mm, found->address, FAULT_FLAG_WRITE, &unlocked);
		if (ret)
			return ret;
		/* Who unlocked may find another mapping there, or none. */
		if (unlocked)
			found->vma = walk_find(mm, found->address);
	}
	return -EAGAIN;
}

#endif

int testexp_walk_run(const struct testexp_walk *args);

#endif /* TESTEXP_WALK_H */
