/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All differences between kernel versions. No other file checks the kernel version.
 *
 * A native kernel has dma_buf_get_pfn(). On any other kernel (compat), compat.c gives the same
 * semantics to the buffers of this module.
 */
#ifndef TESTEXP_COMPAT_H
#define TESTEXP_COMPAT_H

#include <linux/dma-buf.h>
#include <linux/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define TESTEXP_IMPORT_DMA_BUF() MODULE_IMPORT_NS(DMA_BUF)
#else
#define TESTEXP_IMPORT_DMA_BUF() MODULE_IMPORT_NS("DMA_BUF")
#endif

/*
 * Since 6.2 the core maps under the reservation lock. Before 6.2 it did so only for dynamic
 * exporters.
 */
#define TESTEXP_MAP_IS_LOCKED	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0))

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define TESTEXP_MAX_PAGE_ORDER (MAX_ORDER - 1)
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define TESTEXP_MAX_PAGE_ORDER MAX_ORDER
#else
#define TESTEXP_MAX_PAGE_ORDER MAX_PAGE_ORDER
#endif

/* Since 6.16 the core neither maps nor pins at attach, so it caches no sg_table. */
#define TESTEXP_MAPS_AT_ATTACH	(LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0))
#define TESTEXP_HAS_SGT_CACHE	TESTEXP_MAPS_AT_ATTACH

static inline void testexp_ops_set_sgt_cache(struct dma_buf_ops *ops, bool cache)
{
#if TESTEXP_HAS_SGT_CACHE
	ops->cache_sgt_mapping = cache;
#endif
}

/*
 * In 7.1 move_notify got another name, and the configuration option for it went away. The
 * callback of the importer became optional.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
#define TESTEXP_HAS_MOVE_NOTIFY		IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY)
#define TESTEXP_NOTIFY_IS_OPTIONAL	0
#define testexp_move_notify		move_notify
#define testexp_notify_importers	dma_buf_move_notify
static inline bool testexp_attach_revocable(struct dma_buf_attachment *attach)
{
	return attach->importer_ops;
}
#else
#define TESTEXP_HAS_MOVE_NOTIFY		1
#define TESTEXP_NOTIFY_IS_OPTIONAL	1
#define testexp_move_notify		invalidate_mappings
#define testexp_notify_importers	dma_buf_invalidate_mappings
#define testexp_attach_revocable	dma_buf_attach_revocable
#endif

/*
 * Since 7.1 an importer that hears of an invalidation must also unmap in bounded time. So a
 * revoke is over when nothing is mapped any more.
 */
#define TESTEXP_REVOKE_WAITS_FOR_UNMAP	(LINUX_VERSION_CODE >= KERNEL_VERSION(7, 1, 0))

/* Since 7.1 the call that unmaps a part of a VM_PFNMAP mapping has another name. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
#define testexp_zap_pfnmap	zap_vma_ptes
#else
#define testexp_zap_pfnmap	zap_special_vma_range
#endif

/*
 * Since 7.1 a fence has a lock of its own, and a signalled fence without release callback no
 * longer points to its driver.
 */
#define TESTEXP_FENCE_DETACHES	(LINUX_VERSION_CODE >= KERNEL_VERSION(7, 1, 0))

/*
 * follow_pfnmap_start() came with 6.12. The calls before it miss some leaves of a page table,
 * or are not exported to modules.
 */
#define TESTEXP_HAS_WALK	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0))

/* Since 6.12 the kernel handles leaves of PMD size whose PFNs have no struct page. */
#define TESTEXP_HAS_HUGE_FAULT	\
	(TESTEXP_HAS_WALK && IS_ENABLED(CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP))

#if TESTEXP_HAS_HUGE_FAULT
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/pfn_t.h>
#define TESTEXP_PMD_PFN(_pfn)	__pfn_to_pfn_t(_pfn, PFN_DEV)
#else
#define TESTEXP_PMD_PFN(_pfn)	(_pfn)
#endif

/*
 * The leaf is not inserted for a write: the protection of a shared mapping allows writes in
 * any case.
 */
static inline vm_fault_t testexp_insert_pfn_pmd(struct vm_fault *vmf, unsigned long pfn)
{
	return vmf_insert_pfn_pmd(vmf, TESTEXP_PMD_PFN(pfn), false);
}
#endif

/*
 * The series for 7.3 adds dma_buf_get_pfn_attrs(), dma_buf_pfn_max_order(), and a flag for
 * exporters that revoke. Kbuild defines what the kernel has.
 */
#ifndef TESTEXP_HAS_PFN_ATTRS
#define TESTEXP_HAS_PFN_ATTRS		0
#endif
#ifndef TESTEXP_HAS_PFN_MAX_ORDER
#define TESTEXP_HAS_PFN_MAX_ORDER	0
#endif
#ifndef TESTEXP_HAS_REVOCABLE
#define TESTEXP_HAS_REVOCABLE		0
#endif

/* A core that knows this flag refuses importers which cannot be notified. */
static inline void testexp_ops_set_revocable(struct dma_buf_ops *ops, bool revocable)
{
#if TESTEXP_HAS_REVOCABLE
	ops->revocable = revocable;
#endif
}

/*
 * Counts the pins of one attachment. A native kernel counts the pins of an importer itself.
 * compat.c reads this count instead.
 */
static inline void testexp_count_pin(struct dma_buf_attachment *attach, long change)
{
#ifndef TESTEXP_NATIVE
	attach->priv = (void *)((long)attach->priv + change);
#endif
}

typedef int (*testexp_get_pfn_fn)(struct dma_buf_attachment *attach, pgoff_t pgoff,
				  u64 *pfn, int *max_order);

#ifdef TESTEXP_NATIVE
#define TESTEXP_IS_NATIVE		1
#define testexp_get_pfn			dma_buf_get_pfn
#define testexp_get_pfn_unlocked	dma_buf_get_pfn_unlocked
#else
#define TESTEXP_IS_NATIVE		0
int testexp_get_pfn(struct dma_buf_attachment *attach, pgoff_t pgoff,
		    u64 *pfn, int *max_order);
int testexp_get_pfn_unlocked(struct dma_buf_attachment *attach, pgoff_t pgoff,
			     u64 *pfn, int *max_order);
#endif

/**
 * struct testexp_ops - dma_buf_ops that have a get_pfn callback on every kernel
 * @base: the callbacks that the core knows
 * @get_pfn: the callback that native kernels have in @base
 */
struct testexp_ops {
	struct dma_buf_ops base;
#ifndef TESTEXP_NATIVE
	testexp_get_pfn_fn get_pfn;
#endif
};

static inline void testexp_ops_set_get_pfn(struct testexp_ops *ops, testexp_get_pfn_fn get_pfn)
{
#ifdef TESTEXP_NATIVE
	ops->base.get_pfn = get_pfn;
#else
	ops->get_pfn = get_pfn;
#endif
}

/*
 * Returns the get_pfn callback of the exporter, so that it can be measured alone; NULL when
 * the exporter has no such callback. On kernels that are not native only the buffers of this
 * module have one.
 */
#ifdef TESTEXP_NATIVE
static inline testexp_get_pfn_fn testexp_get_pfn_op(const struct dma_buf *dmabuf)
{
	return dmabuf->ops->get_pfn;
}
#else
testexp_get_pfn_fn testexp_get_pfn_op(const struct dma_buf *dmabuf);
#endif

#endif /* TESTEXP_COMPAT_H */
