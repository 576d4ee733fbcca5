/* SPDX-License-Identifier: GPL-2.0 */
/* PFNs from the caller's page table: the way to get them without get_pfn. */
#ifndef TESTEXP_WALK_H
#define TESTEXP_WALK_H

#include <linux/err.h>
#include <linux/mm.h>

#include "compat.h"
#include "testexp_uapi.h"

#if TESTEXP_HAS_WALK

/*
 * Called under the mmap lock. Return: the VM_PFNMAP mapping at @address, -EFAULT when nothing is
 * mapped there, -EINVAL when the mapping is of another kind.
 */
static inline struct vm_area_struct *walk_find(struct mm_struct *mm, unsigned long address)
{
	struct vm_area_struct *vma = vma_lookup(mm, address);

	if (!vma)
		return ERR_PTR(-EFAULT);
	return vma->vm_flags & VM_PFNMAP ? vma : ERR_PTR(-EINVAL);
}

/* How often a page is faulted in when another thread zaps it before it can be read. */
#define WALK_FAULTS	100

/**
 * walk_start - look up the page table entry of one page, as KVM's hva_to_pfn() does
 * @mm: address space whose mmap lock is held; the lock may be dropped and taken again
 * @fault_in: fault in a missing page for writing
 * @found: zero except for address; follow_pfnmap_start() fills it in. On success the caller
 *	must call follow_pfnmap_end()
 *
 * This function is in the header because it is timed.
 *
 * Return: 0; -EFAULT where nothing is mapped; -EINVAL where the mapping is not VM_PFNMAP; the
 * error of the fault; or -EAGAIN when the page was missing again after WALK_FAULTS faults.
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
		/* While the lock was dropped, the mapping may have changed or gone. */
		if (unlocked)
			found->vma = walk_find(mm, found->address);
	}
	return -EAGAIN;
}

#endif

int testexp_walk_run(const struct testexp_walk *args);

#endif /* TESTEXP_WALK_H */
