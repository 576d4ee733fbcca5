// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/highmem.h>
#include <linux/iosys-map.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "exporter/backing.h"
#include "exporter/exporter.h"
#include "exporter/fence.h"
#include "compat.h"

/* The length of a segment is an unsigned int and must be a multiple of the page size. */
#define EXPORTER_MAX_SEGMENT_PAGES	((u64)UINT_MAX >> PAGE_SHIFT)

/*
 * Two importers may have the same pages mapped at the same time, so mapping and unmapping must
 * not synchronise the CPU's caches. CONFIG_DMA_API_DEBUG reports such overlapping mappings
 * otherwise.
 */
#define EXPORTER_MAP_ATTRS	DMA_ATTR_SKIP_CPU_SYNC

/* A fault maps pages up to the end of an aligned block of this many pages, to save faults. */
#define EXPORTER_FAULT_AROUND_PAGES	64UL

/**
 * struct buffer - the private data of a dma-buf of this exporter
 * @ops: its callbacks, chosen by the flags of CREATE
 * @backing: memory and layout; guarded by the reservation lock
 * @left: the pages that the last move replaced, poisoned unless the process was killed during
 *	the move; guarded as @backing is
 * @owned: taken inside the reservation lock to change @backing and @left. So
 *	testexp_exporter_touch(), which acts as a device and cannot take the reservation
 *	lock, can read them under @owned alone
 * @flags: TESTEXP_CREATE_*, immutable
 * @inject: TESTEXP_INJECT_*, immutable
 * @has_ram: some pages are RAM, immutable
 * @has_mmio: some pages are MMIO, immutable
 * @needs_p2p: only importers that can reach the pages of another device may attach,
 *	immutable
 * @revoked: guarded by the reservation lock
 * @revoked_wait: where TESTEXP_INJECT_LATE_ATTACH waits for @revoked
 * @notified_maps: number of mappings of importers that hear of a revoke; counted only where
 *	TESTEXP_REVOKE_WAITS_FOR_UNMAP; guarded by the reservation lock
 * @unmapped_wait: where a revoke waits until @notified_maps is 0
 * @inside: the thread that is in a section which the reservation lock serialises; see
 *	testexp_exporter_enter()
 * @seen: counters of STATS, guarded by the reservation lock
 * @vmap: the kernel's mapping of all pages while an importer has one, else NULL; guarded
 *	by the reservation lock
 * @busy: the fence of TESTEXP_INJECT_FENCE, or NULL; set before others know the buffer
 * @busy_ends: work that signals @busy
 */
struct buffer {
	struct testexp_ops ops;
	struct backing backing;
	struct backing left;
	struct rw_semaphore owned;
	u32 flags;
	u32 inject;
	bool has_ram;
	bool has_mmio;
	bool needs_p2p;
	bool revoked;
	wait_queue_head_t revoked_wait;
	u64 notified_maps;
	wait_queue_head_t unmapped_wait;
	struct task_struct *inside;
	struct testexp_stats seen;
	void *vmap;
	struct dma_fence *busy;
	struct delayed_work busy_ends;
};

static atomic_t nr_buffers = ATOMIC_INIT(0);

u32 testexp_nr_buffers(void)
{
	return atomic_read(&nr_buffers);
}

static void exporter_check_locked(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;

	/* Without the lock two increments may become one, but the counter is never 0 again. */
	if (!dma_resv_is_locked(dmabuf->resv))
		buffer->seen.lock_violations++;
}

/**
 * testexp_exporter_enter - enter a section that the reservation lock must serialise
 * @dmabuf: any buffer; nothing is checked for a buffer of another exporter
 *
 * The state of the lock does not tell which thread holds it. This function finds two threads
 * that are in such a section at the same time, and counts a lock violation. A thread may enter
 * a section again while it is in it.
 *
 * Return: a value for testexp_exporter_leave().
 */
struct task_struct *testexp_exporter_enter(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;
	struct task_struct *before;

	if (!testexp_exporter_owns(dmabuf))
		return NULL;
	before = xchg(&buffer->inside, current);
	if (before && before != current)
		buffer->seen.lock_violations++;
	return before;
}

/* @before: what testexp_exporter_enter() returned */
void testexp_exporter_leave(struct dma_buf *dmabuf, struct task_struct *before)
{
	struct buffer *buffer = dmabuf->priv;

	if (testexp_exporter_owns(dmabuf) && xchg(&buffer->inside, before) != current)
		buffer->seen.lock_violations++;
}

static int exporter_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct buffer *buffer = dmabuf->priv;
	int ret;

	if (buffer->inject & TESTEXP_INJECT_ATTACH)
		return -EPERM;
	/* This importer would have to reach the pages of another device. */
	if (buffer->needs_p2p && !attach->peer2peer)
		return -EOPNOTSUPP;
	/* A core with a flag for revocable exporters has refused such an importer already. */
	if (!TESTEXP_HAS_REVOCABLE && buffer->flags & TESTEXP_CREATE_REVOCABLE &&
	    !testexp_attach_revocable(attach))
		return -EOPNOTSUPP;

	ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
	if (ret)
		return ret;
	if (buffer->revoked) {
		ret = -ENODEV;
	} else {
		buffer->seen.attaches++;
		buffer->seen.p2p_attaches += attach->peer2peer;
	}
	dma_resv_unlock(dmabuf->resv);

	/*
	 * A revoke that comes before the core lists the attachment does not notify this
	 * importer. That is why get_pfn and map check revoked again.
	 */
	if (!ret && buffer->inject & TESTEXP_INJECT_LATE_ATTACH)
		wait_event_killable_timeout(buffer->revoked_wait, READ_ONCE(buffer->revoked),
					    msecs_to_jiffies(TESTEXP_WAIT_MS));
	return ret;
}

static void exporter_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct buffer *buffer = dmabuf->priv;

	dma_resv_lock(dmabuf->resv, NULL);
	buffer->seen.detaches++;
	dma_resv_unlock(dmabuf->resv);
}

static int exporter_pin(struct dma_buf_attachment *attach)
{
	struct buffer *buffer = attach->dmabuf->priv;

	exporter_check_locked(attach->dmabuf);
	if (buffer->inject & TESTEXP_INJECT_PIN)
		return -ENOSPC;
	buffer->seen.pins++;
	testexp_count_pin(attach, 1);
	return 0;
}

static void exporter_unpin(struct dma_buf_attachment *attach)
{
	struct buffer *buffer = attach->dmabuf->priv;

	exporter_check_locked(attach->dmabuf);
	buffer->seen.unpins++;
	testexp_count_pin(attach, -1);
}

static int exporter_get_pfn(struct dma_buf_attachment *attach, pgoff_t pgoff,
			    u64 *pfn, int *max_order)
{
	struct buffer *buffer = attach->dmabuf->priv;

	/* This code is measured. The check costs nothing on kernels without lockdep. */
	dma_resv_assert_held(attach->dmabuf->resv);
	buffer->seen.get_pfns++;
	if (buffer->revoked)
		return -ENODEV;
	return layout_lookup(&buffer->backing.layout, pgoff, pfn, max_order);
}

/* A function of its own, because exporter_get_pfn() is measured and these checks are not. */
static int exporter_get_pfn_checked(struct dma_buf_attachment *attach, pgoff_t pgoff,
				    u64 *pfn, int *max_order)
{
	struct task_struct *before = testexp_exporter_enter(attach->dmabuf);
	int ret;

	exporter_check_locked(attach->dmabuf);
	ret = exporter_get_pfn(attach, pgoff, pfn, max_order);
	testexp_exporter_leave(attach->dmabuf, before);
	return ret;
}

#if TESTEXP_HAS_PFN_ATTRS

static int exporter_get_pfn_attrs(struct dma_buf_attachment *attach, pgoff_t pgoff,
				  struct dma_buf_pfn_attrs *attrs)
{
	static const enum dma_buf_pfn_cache modes[TESTEXP_CACHE_MODES] = {
		[TESTEXP_CACHE_WB] = DMA_BUF_PFN_WB,
		[TESTEXP_CACHE_WC] = DMA_BUF_PFN_WC,
		[TESTEXP_CACHE_UC] = DMA_BUF_PFN_UC,
	};
	struct buffer *buffer = attach->dmabuf->priv;
	const struct layout_extent *extent;
	int ret, order;
	bool mmio;
	u64 pfn;

	exporter_check_locked(attach->dmabuf);
	if (buffer->revoked)
		return -ENODEV;
	ret = layout_lookup(&buffer->backing.layout, pgoff, &pfn, &order);
	if (ret)
		return ret;

	extent = layout_find(&buffer->backing.layout, pgoff);
	mmio = extent->kind.type == TESTEXP_EXTENT_MMIO ||
	       extent->kind.attributes & TESTEXP_EXTENT_AS_MMIO;
	*attrs = (struct dma_buf_pfn_attrs) {
		.type = mmio ? DMA_BUF_PFN_MMIO : DMA_BUF_PFN_RAM,
		.cache = modes[extent->kind.cache],
	};
	if (buffer->inject & TESTEXP_INJECT_TYPE)
		attrs->type = DMA_BUF_PFN_MMIO + 1;
	if (buffer->inject & TESTEXP_INJECT_CACHE)
		attrs->cache = DMA_BUF_PFN_UC + 1;
	return 0;
}

#endif

static void exporter_set_pfn_attrs(struct dma_buf_ops *ops)
{
#if TESTEXP_HAS_PFN_ATTRS
	ops->get_pfn_attrs = exporter_get_pfn_attrs;
#endif
}

/* Returns the number of segments that the layout needs, or -EOPNOTSUPP if a page is not RAM. */
static int exporter_count_segments(const struct layout *layout)
{
	u64 segments = 0;
	u32 i;

	for (i = 0; i < layout->nr_extents; i++) {
		const struct layout_extent *extent = layout->extents + i;

		if (extent->kind.type != TESTEXP_EXTENT_RAM)
			return -EOPNOTSUPP;
		segments += DIV_ROUND_UP(layout_extent_pages(extent),
					 EXPORTER_MAX_SEGMENT_PAGES);
	}
	return segments <= INT_MAX ? segments : -E2BIG;
}

static void exporter_fill_segments(const struct layout *layout, struct scatterlist *sg)
{
	u32 i;

	for (i = 0; i < layout->nr_extents; i++) {
		const struct layout_extent *extent = layout->extents + i;
		u64 left = layout_extent_pages(extent), pfn = layout_extent_pfn(extent), here;

		for (; left; left -= here, pfn += here, sg = sg_next(sg)) {
			here = min(left, EXPORTER_MAX_SEGMENT_PAGES);
			sg_set_page(sg, pfn_to_page(pfn), here << PAGE_SHIFT, 0);
		}
	}
}

/*
 * Returns the number of pages that an sg_table is charged. The few entries that chain its parts
 * are not counted.
 */
static u64 exporter_sgt_pages(unsigned int segments)
{
	return PFN_UP((u64)segments * sizeof(struct scatterlist));
}

static struct sg_table *exporter_make_sgt(const struct layout *layout)
{
	int segments = exporter_count_segments(layout);
	struct sg_table *sgt;
	int ret;

	if (segments < 0)
		return ERR_PTR(segments);

	ret = testexp_memory_charge(exporter_sgt_pages(segments));
	if (ret)
		return ERR_PTR(ret);

	ret = -ENOMEM;
	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL_ACCOUNT);
	if (!sgt)
		goto err_uncharge;

	ret = sg_alloc_table(sgt, segments, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_free;
	exporter_fill_segments(layout, sgt->sgl);
	return sgt;

err_free:
	kfree(sgt);
err_uncharge:
	testexp_memory_uncharge(exporter_sgt_pages(segments));
	return ERR_PTR(ret);
}

static void exporter_free_sgt(struct sg_table *sgt)
{
	unsigned int segments = sgt->orig_nents;

	sg_free_table(sgt);
	kfree(sgt);
	testexp_memory_uncharge(exporter_sgt_pages(segments));
}

static noinline void exporter_wake_revoker(struct buffer *buffer)
{
	if (wq_has_sleeper(&buffer->unmapped_wait))
		wake_up_all(&buffer->unmapped_wait);
}

/*
 * bench measures this path. So the condition of dma_buf_attach_revocable() is written out
 * here instead of a call, and wake_up_all() is called only when somebody sleeps.
 */
static void exporter_count_map(struct dma_buf_attachment *attach, int change)
{
	struct buffer *buffer = attach->dmabuf->priv;

	if (!TESTEXP_REVOKE_WAITS_FOR_UNMAP || !attach->importer_ops ||
	    !attach->importer_ops->testexp_move_notify)
		return;
	WRITE_ONCE(buffer->notified_maps, buffer->notified_maps + change);
	if (!buffer->notified_maps)
		exporter_wake_revoker(buffer);
}

/* The core keeps a movable buffer pinned while a static importer has the buffer mapped. */
static void exporter_check_pinned(struct dma_buf_attachment *attach)
{
	struct buffer *buffer = attach->dmabuf->priv;

	if (buffer->flags & TESTEXP_CREATE_DYNAMIC && !attach->importer_ops &&
	    buffer->seen.pins <= buffer->seen.unpins)
		buffer->seen.lock_violations++;
}

static struct sg_table *exporter_map(struct dma_buf_attachment *attach,
				     enum dma_data_direction direction)
{
	struct buffer *buffer = attach->dmabuf->priv;
	struct sg_table *sgt;
	int ret;

	exporter_check_locked(attach->dmabuf);
	exporter_check_pinned(attach);
	if (buffer->inject & TESTEXP_INJECT_MAP)
		return ERR_PTR(-EIO);
	if (buffer->revoked)
		return ERR_PTR(-ENODEV);

	sgt = exporter_make_sgt(&buffer->backing.layout);
	if (IS_ERR(sgt))
		return sgt;

	ret = dma_map_sgtable(attach->dev, sgt, direction, EXPORTER_MAP_ATTRS);
	if (ret) {
		exporter_free_sgt(sgt);
		return ERR_PTR(ret);
	}
	buffer->seen.maps++;
	exporter_count_map(attach, 1);
	return sgt;
}

static void exporter_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			   enum dma_data_direction direction)
{
	struct buffer *buffer = attach->dmabuf->priv;

	exporter_check_locked(attach->dmabuf);
	exporter_check_pinned(attach);
	buffer->seen.unmaps++;
	dma_unmap_sgtable(attach->dev, sgt, direction, EXPORTER_MAP_ATTRS);
	exporter_free_sgt(sgt);
	exporter_count_map(attach, -1);
}

static vm_fault_t exporter_insert_ram(struct vm_area_struct *vma, unsigned long address, u64 pfn)
{
	int ret = vm_insert_page(vma, address, pfn_to_page(pfn));

	if (ret == -ENOMEM)
		return VM_FAULT_OOM;
	/* With -EBUSY another thread's fault has mapped the page already. */
	return ret && ret != -EBUSY ? VM_FAULT_SIGBUS : VM_FAULT_NOPAGE;
}

static pgprot_t exporter_pgprot(const struct vm_area_struct *vma, u32 cache)
{
	switch (cache) {
	case TESTEXP_CACHE_UC:
		return pgprot_noncached(vma->vm_page_prot);
	case TESTEXP_CACHE_WC:
		return pgprot_writecombine(vma->vm_page_prot);
	default:
		return vma->vm_page_prot;
	}
}

static vm_fault_t exporter_insert_page(struct vm_area_struct *vma, const struct buffer *buffer,
				       pgoff_t pgoff)
{
	const struct layout_extent *extent = layout_find(&buffer->backing.layout, pgoff);
	unsigned long address = vma->vm_start + ((pgoff - vma->vm_pgoff) << PAGE_SHIFT);
	u64 pfn = pgoff + extent->delta;

	if (extent->kind.type != TESTEXP_EXTENT_RAM && extent->kind.type != TESTEXP_EXTENT_MMIO)
		return VM_FAULT_SIGBUS;
	if (vma->vm_flags & VM_MIXEDMAP)
		return exporter_insert_ram(vma, address, pfn);
	return vmf_insert_pfn_prot(vma, address, pfn, exporter_pgprot(vma, extent->kind.cache));
}

/*
 * Returns the number of pages of the aligned block in which one fault maps pages, beginning with
 * the faulting page: a power of two. With MADV_RANDOM the caller does not want the neighbours.
 */
static unsigned long exporter_fault_around(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_RAND_READ ? 1 : EXPORTER_FAULT_AROUND_PAGES;
}

/*
 * A revoke holds the reservation lock while it unmaps. So no page enters the page table after
 * the revoke.
 */
static vm_fault_t exporter_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct dma_buf *dmabuf = vma->vm_private_data;
	struct buffer *buffer = dmabuf->priv;
	pgoff_t pgoff = vmf->pgoff, last;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	dma_resv_lock(dmabuf->resv, NULL);
	if (buffer->revoked)
		goto unlock;

	ret = exporter_insert_page(vma, buffer, pgoff);
	last = min(pgoff | (exporter_fault_around(vma) - 1),
		   vma->vm_pgoff + vma_pages(vma) - 1);
	/* A neighbour that cannot be mapped here gets its own fault later. */
	while (ret == VM_FAULT_NOPAGE && pgoff < last)
		if (exporter_insert_page(vma, buffer, ++pgoff) != VM_FAULT_NOPAGE)
			break;

unlock:
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static const struct vm_operations_struct exporter_vm_ops = {
	.fault = exporter_fault,
};

#if TESTEXP_HAS_HUGE_FAULT

/* Called under the reservation lock. Maps RAM only: MMIO would also need its cache mode. */
static vm_fault_t exporter_insert_pmd(struct vm_fault *vmf, const struct buffer *buffer)
{
	const struct layout *layout = &buffer->backing.layout;
	struct vm_area_struct *vma = vmf->vma;
	unsigned long address = vmf->address & PMD_MASK;
	int order;
	u64 pfn;

	if (address < vma->vm_start || vma->vm_end - address < PMD_SIZE)
		return VM_FAULT_FALLBACK;
	if (!IS_ALIGNED((address >> PAGE_SHIFT) - linear_page_index(vma, address), HPAGE_PMD_NR))
		return VM_FAULT_FALLBACK;
	if (layout_find(layout, vmf->pgoff)->kind.type != TESTEXP_EXTENT_RAM ||
	    layout_lookup(layout, vmf->pgoff, &pfn, &order) || order < HPAGE_PMD_ORDER)
		return VM_FAULT_FALLBACK;
	return testexp_insert_pfn_pmd(vmf, ALIGN_DOWN(pfn, HPAGE_PMD_NR));
}

static vm_fault_t exporter_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct dma_buf *dmabuf = vmf->vma->vm_private_data;
	const struct buffer *buffer = dmabuf->priv;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	if (order != HPAGE_PMD_ORDER)
		return VM_FAULT_FALLBACK;

	dma_resv_lock(dmabuf->resv, NULL);
	if (!buffer->revoked)
		ret = exporter_insert_pmd(vmf, buffer);
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static const struct vm_operations_struct exporter_huge_vm_ops = {
	.fault = exporter_fault,
	.huge_fault = exporter_huge_fault,
};

#else

#define exporter_huge_vm_ops	exporter_vm_ops

#endif

static int exporter_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	const struct buffer *buffer = dmabuf->priv;
	bool show_pages = buffer->flags & TESTEXP_CREATE_SHOW_PAGES;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	/* No page can be reached by a CPU, so mmap fails instead of each access. */
	if (!buffer->has_ram && !buffer->has_mmio)
		return -EOPNOTSUPP;

	/* Pages of a VM_PFNMAP mapping cannot be pinned. A pin would outlast a revoke or a move. */
	vm_flags_set(vma, (show_pages ? VM_MIXEDMAP : VM_PFNMAP | VM_IO) |
			  VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = dmabuf;
	vma->vm_ops = buffer->flags & TESTEXP_CREATE_HUGE ? &exporter_huge_vm_ops :
							    &exporter_vm_ops;
	return 0;
}

/* Returns the number of pages that the page table of the kernel's mapping is charged. */
static u64 exporter_vmap_charge(const struct layout *layout)
{
	return DIV_ROUND_UP_ULL(layout->nr_pages, PTRS_PER_PTE);
}

static void *exporter_map_all(const struct layout *layout)
{
	unsigned long nr_pages = layout->nr_pages, pgoff;
	struct page **pages = testexp_memory_kvmalloc(nr_pages * sizeof(*pages));
	void *address;

	if (IS_ERR(pages))
		return pages;
	for (pgoff = 0; pgoff < nr_pages; pgoff++) {
		if (fatal_signal_pending(current)) {
			address = ERR_PTR(-EINTR);
			goto free;
		}
		pages[pgoff] = pfn_to_page(pgoff + layout_find(layout, pgoff)->delta);
		cond_resched();
	}
	address = vmap(pages, nr_pages, VM_MAP, PAGE_KERNEL);
	if (!address)
		address = ERR_PTR(-ENOMEM);
free:
	testexp_memory_kvfree(pages, nr_pages * sizeof(*pages));
	return address;
}

/**
 * testexp_exporter_prepare_vmap - do the part of dma_buf_vmap() that may fail
 * @dmabuf: any buffer, its reservation lock held; a buffer of another exporter is not touched
 *
 * The core warns when a vmap callback fails. So an importer of this module calls this function
 * first, under the same hold of the lock. Then the callback has nothing to do that can fail.
 *
 * Return: 0, also when the exporter has no vmap; -ENODEV when revoked, -ENOSPC, -ENOMEM, or
 * -EINTR when killed.
 */
int testexp_exporter_prepare_vmap(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;
	const struct layout *layout;
	void *address;
	int ret;

	if (!testexp_exporter_owns(dmabuf) || !dmabuf->ops->vmap)
		return 0;
	if (buffer->revoked)
		return -ENODEV;
	if (buffer->vmap)
		return 0;

	layout = &buffer->backing.layout;
	/* Aliases can make a buffer longer than all memory. vmap() refuses such an array. */
	if (layout->nr_pages > totalram_pages())
		return -ENOMEM;
	ret = testexp_memory_charge(exporter_vmap_charge(layout));
	if (ret)
		return ret;
	address = exporter_map_all(layout);
	if (IS_ERR(address)) {
		testexp_memory_uncharge(exporter_vmap_charge(layout));
		return PTR_ERR(address);
	}
	buffer->vmap = address;
	return 0;
}

static int exporter_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct buffer *buffer = dmabuf->priv;
	int ret;

	exporter_check_locked(dmabuf);
	ret = testexp_exporter_prepare_vmap(dmabuf);
	if (!ret)
		iosys_map_set_vaddr(map, buffer->vmap);
	return ret;
}

static void exporter_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct buffer *buffer = dmabuf->priv;

	exporter_check_locked(dmabuf);
	vunmap(buffer->vmap);
	buffer->vmap = NULL;
	testexp_memory_uncharge(exporter_vmap_charge(&buffer->backing.layout));
}

static void exporter_end_busy(struct work_struct *work)
{
	struct buffer *buffer = container_of(to_delayed_work(work), struct buffer, busy_ends);

	dma_fence_signal(buffer->busy);
}

/*
 * Adds a fence, as a driver does that clears a new buffer by DMA. Nobody else knows the buffer
 * yet.
 */
static int exporter_begin_busy(struct dma_buf *dmabuf)
{
	struct dma_fence *fence = testexp_fence_alloc(dma_fence_context_alloc(1), 1);
	struct buffer *buffer = dmabuf->priv;
	int ret;

	if (!fence)
		return -ENOMEM;

	dma_resv_lock(dmabuf->resv, NULL);
	ret = dma_resv_reserve_fences(dmabuf->resv, 1);
	if (!ret)
		dma_resv_add_fence(dmabuf->resv, fence, DMA_RESV_USAGE_KERNEL);
	dma_resv_unlock(dmabuf->resv);
	if (ret) {
		dma_fence_put(fence);
		return ret;
	}
	buffer->busy = fence;
	INIT_DELAYED_WORK(&buffer->busy_ends, exporter_end_busy);
	schedule_delayed_work(&buffer->busy_ends, msecs_to_jiffies(TESTEXP_FENCE_MS));
	return 0;
}

static void exporter_release(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;

	if (buffer->busy) {
		cancel_delayed_work_sync(&buffer->busy_ends);
		dma_fence_signal(buffer->busy);
		dma_fence_put(buffer->busy);
	}
	testexp_backing_destroy(&buffer->left);
	testexp_backing_destroy(&buffer->backing);
	kfree(buffer);
	atomic_dec(&nr_buffers);
}

/* Returns whether this exporter made the buffer, so that dmabuf->priv is a struct buffer. */
bool testexp_exporter_owns(const struct dma_buf *dmabuf)
{
	return dmabuf->ops->release == exporter_release;
}

/* @all_ram: all pages are RAM, so that the kernel can map them. */
static void exporter_fill_ops(struct testexp_ops *ops, u32 flags, bool all_ram)
{
	struct dma_buf_ops *base = &ops->base;

	base->attach = exporter_attach;
	base->detach = exporter_detach;
	base->release = exporter_release;
	testexp_ops_set_sgt_cache(base, flags & TESTEXP_CREATE_CACHE_SGT);
	testexp_ops_set_revocable(base, flags & TESTEXP_CREATE_REVOCABLE);
	if (flags & TESTEXP_CREATE_DYNAMIC) {
		base->pin = exporter_pin;
		base->unpin = exporter_unpin;
	}
	if (!(flags & TESTEXP_CREATE_NO_MAP)) {
		base->map_dma_buf = exporter_map;
		base->unmap_dma_buf = exporter_unmap;
	}
	if (!(flags & TESTEXP_CREATE_NO_MMAP))
		base->mmap = exporter_mmap;
	if (!(flags & TESTEXP_CREATE_NO_MMAP) && all_ram) {
		base->vmap = exporter_vmap;
		base->vunmap = exporter_vunmap;
	}
	if (!(flags & TESTEXP_CREATE_NO_GET_PFN)) {
		testexp_ops_set_get_pfn(ops, flags & TESTEXP_CREATE_CHECK_LOCK ?
					exporter_get_pfn_checked : exporter_get_pfn);
		if (!(flags & TESTEXP_CREATE_NO_ATTRS))
			exporter_set_pfn_attrs(base);
	}
}

/* Refuses flags for which dma_buf_export() would print a WARNING. */
static int exporter_check_flags(u32 flags)
{
	bool no_map = flags & TESTEXP_CREATE_NO_MAP;

	if (no_map && flags & TESTEXP_CREATE_NO_GET_PFN)
		return -EINVAL;
	if (flags & TESTEXP_CREATE_CACHE_SGT && (no_map || flags & TESTEXP_CREATE_DYNAMIC))
		return -EINVAL;
	if (flags & TESTEXP_CREATE_HUGE && flags & TESTEXP_CREATE_SHOW_PAGES)
		return -EINVAL;
	if (flags & TESTEXP_CREATE_HUGE && !TESTEXP_HAS_HUGE_FAULT)
		return -EOPNOTSUPP;
	if (no_map && !TESTEXP_IS_NATIVE)
		return -EOPNOTSUPP;
	if (flags & TESTEXP_CREATE_CACHE_SGT && !TESTEXP_HAS_SGT_CACHE)
		return -EOPNOTSUPP;
	return 0;
}

static struct dma_buf *exporter_export(struct buffer *buffer)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	info.ops = &buffer->ops.base;
	info.size = buffer->backing.layout.nr_pages << PAGE_SHIFT;
	info.flags = O_RDWR | O_CLOEXEC;
	info.priv = buffer;
	return dma_buf_export(&info);
}

/**
 * testexp_exporter_create - make a buffer
 * @args: arguments of TESTEXP_IOC_CREATE; nr_pages is filled in, the caller makes the
 *	descriptor
 * @extents: array of args->nr_extents extents
 *
 * Return: a dma-buf with one reference, which the caller owns, or a negative errno.
 */
struct dma_buf *testexp_exporter_create(struct testexp_create *args,
					const struct testexp_extent *extents)
{
	struct buffer *buffer;
	struct dma_buf *dmabuf;
	int ret;

	ret = exporter_check_flags(args->flags);
	if (ret)
		return ERR_PTR(ret);

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	init_rwsem(&buffer->owned);
	init_waitqueue_head(&buffer->revoked_wait);
	init_waitqueue_head(&buffer->unmapped_wait);
	buffer->flags = args->flags;
	buffer->inject = args->inject;

	ret = testexp_backing_create(&buffer->backing, extents, args->nr_extents,
				     args->flags & TESTEXP_CREATE_SCATTER);
	if (ret)
		goto err_free;
	buffer->has_ram = testexp_backing_has_type(&buffer->backing, TESTEXP_EXTENT_RAM);
	buffer->has_mmio = testexp_backing_has_type(&buffer->backing, TESTEXP_EXTENT_MMIO);
	/* A BAR has no pages to show. */
	if (buffer->has_mmio && args->flags & TESTEXP_CREATE_SHOW_PAGES) {
		ret = -EINVAL;
		goto err_destroy;
	}
	buffer->needs_p2p = buffer->has_mmio ||
			    testexp_backing_has_attribute(&buffer->backing, TESTEXP_EXTENT_P2P);
	exporter_fill_ops(&buffer->ops, args->flags,
			  exporter_count_segments(&buffer->backing.layout) > 0);

	dmabuf = exporter_export(buffer);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto err_destroy;
	}
	atomic_inc(&nr_buffers);
	if (args->inject & TESTEXP_INJECT_FENCE) {
		ret = exporter_begin_busy(dmabuf);
		if (ret) {
			dma_buf_put(dmabuf);
			return ERR_PTR(ret);
		}
	}
	args->nr_pages = buffer->backing.layout.nr_pages;
	return dmabuf;

err_destroy:
	testexp_backing_destroy(&buffer->backing);
err_free:
	kfree(buffer);
	return ERR_PTR(ret);
}

/*
 * Called under the reservation lock. Return: where the pages are, -EINVAL for a buffer of
 * another exporter, or -ENODEV when the buffer is revoked.
 */
const struct layout *testexp_exporter_layout(const struct dma_buf *dmabuf)
{
	const struct buffer *buffer = dmabuf->priv;

	if (!testexp_exporter_owns(dmabuf))
		return ERR_PTR(-EINVAL);
	return buffer->revoked ? ERR_PTR(-ENODEV) : &buffer->backing.layout;
}

/*
 * Returns whether a buffer of this exporter is revoked. The answer may be old when it is used,
 * unless the caller holds the reservation lock.
 */
bool testexp_exporter_is_revoked(const struct dma_buf *dmabuf)
{
	const struct buffer *buffer = dmabuf->priv;

	return testexp_exporter_owns(dmabuf) && READ_ONCE(buffer->revoked);
}

/* Copies the counters to @args. Return: 0, -EINVAL for another exporter's buffer, or -EINTR. */
int testexp_exporter_stats(struct dma_buf *dmabuf, struct testexp_stats *args)
{
	struct testexp_stats asked = *args;
	struct buffer *buffer;
	int ret;

	if (!testexp_exporter_owns(dmabuf))
		return -EINVAL;

	buffer = dmabuf->priv;
	ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
	if (ret)
		return ret;
	*args = buffer->seen;
	dma_resv_unlock(dmabuf->resv);

	args->size = asked.size;
	args->flags = asked.flags;
	args->fd = asked.fd;
	return 0;
}

/**
 * testexp_exporter_describe - tell what a page is, without resolving it
 * @dmabuf: any buffer
 * @args: arguments of TESTEXP_IOC_DESCRIBE
 *
 * Return: 0; -EINVAL for a buffer of another exporter, or for a page beyond the end; -ENODEV
 * when the buffer is revoked; -EINTR when a signal came.
 */
int testexp_exporter_describe(struct dma_buf *dmabuf, struct testexp_describe *args)
{
	const struct layout_extent *extent;
	struct buffer *buffer;
	int ret;

	if (!testexp_exporter_owns(dmabuf) || args->pgoff >= dmabuf->size >> PAGE_SHIFT)
		return -EINVAL;

	buffer = dmabuf->priv;
	ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
	if (ret)
		return ret;
	if (buffer->revoked) {
		ret = -ENODEV;
	} else {
		extent = layout_find(&buffer->backing.layout, args->pgoff);
		args->first = layout_extent_start(extent);
		args->nr_pages = layout_extent_pages(extent);
		args->type = extent->kind.type;
		args->cache = extent->kind.cache;
		args->attributes = extent->kind.attributes;
	}
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

/* @left: what the wait returned. Return: 0, -ETIMEDOUT, or -EINTR when a signal came. */
static int exporter_end_wait(long left)
{
	if (left < 0)
		return -EINTR;
	return left ? 0 : -ETIMEDOUT;
}

/* Called under the reservation lock. Return: as exporter_end_wait(). */
static int exporter_wait(struct dma_buf *dmabuf, u32 timeout_ms)
{
	/* BOOKKEEP means all fences, including those that implicit synchronisation ignores. */
	return exporter_end_wait(dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP, true,
						       msecs_to_jiffies(timeout_ms)));
}

/*
 * Called without the reservation lock, which importers take to unmap. Nobody can map the
 * revoked buffer meanwhile, unless RESTORE comes. Importers that are not notified may stay
 * mapped for ever, so this function does not wait for them. Return: as exporter_end_wait().
 */
static int exporter_wait_until_unmapped(struct buffer *buffer)
{
	long left;

	if (!TESTEXP_REVOKE_WAITS_FOR_UNMAP)
		return 0;
	left = wait_event_interruptible_timeout(buffer->unmapped_wait,
						!READ_ONCE(buffer->notified_maps),
						msecs_to_jiffies(TESTEXP_WAIT_MS));
	return exporter_end_wait(left);
}

/*
 * Takes the pages away from CPUs and importers. Importers may use the pages until
 * exporter_wait() returns.
 */
static void exporter_invalidate(struct dma_buf *dmabuf)
{
	struct buffer *buffer = dmabuf->priv;

	buffer->seen.invalidations++;
	unmap_mapping_range(dmabuf->file->f_mapping, 0, 0, 1);
	testexp_notify_importers(dmabuf);
}

/**
 * testexp_exporter_revoke - take the buffer away from all importers
 * @dmabuf: any buffer
 *
 * No signal ends the wait for the lock, because a caller that takes memory away must not give
 * up before the memory is gone. testexp_uapi.h says how long the wait may last.
 *
 * Return: 0; -EINVAL for a buffer of another exporter; -ETIMEDOUT or -EINTR when importers may
 * still use their pages. In these two cases the buffer is revoked as well, unless RESTORE came
 * during the wait without the lock.
 */
int testexp_exporter_revoke(struct dma_buf *dmabuf)
{
	struct buffer *buffer;
	int ret;

	if (!testexp_exporter_owns(dmabuf))
		return -EINVAL;

	buffer = dmabuf->priv;
	dma_resv_lock(dmabuf->resv, NULL);
	if (!buffer->revoked) {
		WRITE_ONCE(buffer->revoked, true);
		wake_up_all(&buffer->revoked_wait);
		exporter_invalidate(dmabuf);
	}
	ret = exporter_wait(dmabuf, TESTEXP_WAIT_MS);
	dma_resv_unlock(dmabuf->resv);
	return ret ? ret : exporter_wait_until_unmapped(buffer);
}

/* Undoes a revoke. Return: 0, -EINVAL as TESTEXP_IOC_RESTORE says, or -EINTR. */
int testexp_exporter_restore(struct dma_buf *dmabuf)
{
	struct buffer *buffer;
	int ret;

	if (!testexp_exporter_owns(dmabuf))
		return -EINVAL;

	buffer = dmabuf->priv;
	if (!(buffer->flags & (TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_REVOCABLE)))
		return -EINVAL;

	ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
	if (ret)
		return ret;
	WRITE_ONCE(buffer->revoked, false);
	dma_resv_unlock(dmabuf->resv);
	return 0;
}

static int exporter_may_move(const struct buffer *buffer, const struct backing *fresh)
{
	const struct testexp_stats *seen = &buffer->seen;

	if (buffer->revoked)
		return -ENODEV;
	/* The importers of this module keep their mappings when they are notified. */
	if (seen->pins != seen->unpins || seen->maps != seen->unmaps)
		return -EBUSY;
	if (buffer->vmap)
		return -EBUSY;
	/* One new page would have to hold the contents of two old ones. */
	if (fresh->has_alias)
		return -EINVAL;
	return testexp_backing_same_kinds(fresh, &buffer->backing) ? 0 : -EINVAL;
}

static void exporter_swap(struct buffer *buffer, struct backing *fresh)
{
	lockdep_assert_held_write(&buffer->owned);
	swap(buffer->left, *fresh);
	swap(buffer->backing, buffer->left);
}

/*
 * Gives the buffer the pages of *@fresh. Its old pages become buffer->left, and *@fresh gets
 * the pages that were there.
 */
static void exporter_change_over(struct buffer *buffer, struct backing *fresh)
{
	down_write(&buffer->owned);
	exporter_swap(buffer, fresh);
	up_write(&buffer->owned);

	testexp_backing_poison(&buffer->left);
	buffer->seen.moves++;
}

/* Called under the reservation lock. On success *@fresh holds the pages to be freed. */
static int exporter_move_locked(struct dma_buf *dmabuf, struct backing *fresh, u32 timeout_ms)
{
	struct buffer *buffer = dmabuf->priv;
	int ret;

	ret = exporter_may_move(buffer, fresh);
	if (ret)
		return ret;

	exporter_invalidate(dmabuf);
	ret = exporter_wait(dmabuf, timeout_ms);
	if (ret)
		return ret;

	/* Only now: an importer may write to the old pages until its fence signals. */
	ret = testexp_backing_copy(fresh, &buffer->backing);
	if (ret)
		return ret;

	exporter_change_over(buffer, fresh);
	return 0;
}

/**
 * testexp_exporter_move - give the buffer other pages with the same contents
 * @dmabuf: any buffer
 * @args: arguments of TESTEXP_IOC_MOVE; the caller has checked their ranges
 * @extents: array of args->nr_extents extents
 *
 * Return: 0 or a negative errno, as described at struct testexp_move.
 */
int testexp_exporter_move(struct dma_buf *dmabuf, const struct testexp_move *args,
			  const struct testexp_extent *extents)
{
	struct backing fresh = {};
	int ret;

	if (!testexp_exporter_owns(dmabuf) || !dma_buf_is_dynamic(dmabuf))
		return -EINVAL;

	/* All memory is allocated before the lock is taken. */
	ret = testexp_backing_create(&fresh, extents, args->nr_extents,
				     args->flags & TESTEXP_MOVE_SCATTER);
	if (ret)
		return ret;

	ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
	if (!ret) {
		ret = exporter_move_locked(dmabuf, &fresh, args->timeout_ms ?: TESTEXP_WAIT_MS);
		dma_resv_unlock(dmabuf->resv);
	}
	testexp_backing_destroy(&fresh);
	return ret;
}

static bool exporter_backing_has_ram(const struct backing *backing, u64 pgoff, u64 pfn)
{
	const struct layout_extent *extent;

	if (pgoff >= backing->layout.nr_pages)
		return false;
	extent = layout_find(&backing->layout, pgoff);
	return extent->kind.type == TESTEXP_EXTENT_RAM && pgoff + extent->delta == pfn;
}

/* Returns whether the page is the buffer's, or was before the last move. */
static bool exporter_has_ram(const struct buffer *buffer, u64 pgoff, u64 pfn)
{
	lockdep_assert_held(&buffer->owned);
	return exporter_backing_has_ram(&buffer->backing, pgoff, pfn) ||
	       exporter_backing_has_ram(&buffer->left, pgoff, pfn);
}

static enum exporter_touched exporter_touch_page(struct page *page, u64 signature, u32 flags)
{
	const u64 poison = TESTEXP_POISON_BYTE * 0x0101010101010101ull;
	u64 *words = kmap_local_page(page);
	u64 first = READ_ONCE(words[0]);

	if (flags & TESTEXP_USE_WRITE)
		atomic64_inc((atomic64_t *)(words + 1));
	if (flags & TESTEXP_USE_WRITE_LAST)
		((u8 *)words)[PAGE_SIZE - 1]++;
	kunmap_local(words);

	if (first == signature)
		return EXPORTER_TOUCHED_RIGHT;
	return first == poison ? EXPORTER_TOUCHED_POISON : EXPORTER_TOUCHED_WRONG;
}

/**
 * testexp_exporter_touch - access a page as a device with this PFN would
 * @dmabuf: a buffer of this exporter
 * @pgoff: page that the PFN was resolved for
 * @pfn: the PFN, which may be stale
 * @signature: value that the first word of the page must have
 * @flags: TESTEXP_USE_*
 *
 * The access does not wait for moves and revokes. It only touches RAM that the buffer owns or
 * owned before its last move, so that a wrong importer does not harm the rest of the system.
 *
 * Return: what the page held.
 */
enum exporter_touched testexp_exporter_touch(struct dma_buf *dmabuf, u64 pgoff, u64 pfn,
					     u64 signature, u32 flags)
{
	struct buffer *buffer = dmabuf->priv;
	enum exporter_touched touched = EXPORTER_TOUCHED_NOTHING;

	down_read(&buffer->owned);
	if (exporter_has_ram(buffer, pgoff, pfn))
		touched = exporter_touch_page(pfn_to_page(pfn), signature, flags);
	up_read(&buffer->owned);
	return touched;
}
