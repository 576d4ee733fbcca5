// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "exporter/fence.h"
#include "compat.h"
#include "testexp_uapi.h"

/**
 * struct testexp_fence - a fence, and its lock where the fence has none of its own
 * @base: the fence; the first member, because dma_fence_free() frees its address
 * @lock: the lock that dma_fence_init() asks for
 */
struct testexp_fence {
	struct dma_fence base;
#if !TESTEXP_FENCE_DETACHES
	spinlock_t lock; /* of base; this module never takes it */
#endif
};

/* Returns the lock for dma_fence_init(), or NULL for the lock inside the fence. */
static spinlock_t *fence_lock(struct testexp_fence *fence)
{
#if TESTEXP_FENCE_DETACHES
	return NULL;
#else
	spin_lock_init(&fence->lock);
	return &fence->lock;
#endif
}

static const char *fence_driver_name(struct dma_fence *fence)
{
	return TESTEXP_DEVICE_NAME;
}

static const char *fence_timeline_name(struct dma_fence *fence)
{
	return "importer";
}

/* This function still runs module code after module_put(): see testexp_fence_exit(). */
static void fence_release(struct dma_fence *fence)
{
	dma_fence_free(fence);
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_driver_name,
	.get_timeline_name = fence_timeline_name,
	.release = TESTEXP_FENCE_DETACHES ? NULL : fence_release,
};

/**
 * testexp_fence_exit - wait until no processor runs fence code of this module
 *
 * Others may hold a fence for a long time, for instance in a sync_file, so each fence holds a
 * reference of the module. The last reference of a fence may be dropped in any context. The
 * module can then be unloaded before fence_release() has returned. Two calls wait for it:
 * synchronize_rcu() waits for interrupts, soft interrupts and all code that runs without
 * preemption, on idle processors too; synchronize_rcu_tasks() waits until a task that was
 * preempted in fence_release() sleeps or is in user space. Kernels without preemption have no
 * such tasks; there both calls are the same.
 *
 * On kernels whose signalled fences do not point to their driver (TESTEXP_FENCE_DETACHES),
 * synchronize_rcu() waits for readers of a fence's names.
 */
void testexp_fence_exit(void)
{
	synchronize_rcu();
	if (!TESTEXP_FENCE_DETACHES)
		synchronize_rcu_tasks();
}

/**
 * testexp_fence_alloc - make a fence
 * @context: number of its timeline
 * @seqno: its sequence number on that timeline
 *
 * Return: a fence, or NULL without memory. Nobody else knows the fence yet, so it may be put
 * without being signalled.
 */
struct dma_fence *testexp_fence_alloc(u64 context, u64 seqno)
{
	struct testexp_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL_ACCOUNT);

	if (!fence)
		return NULL;

	if (!TESTEXP_FENCE_DETACHES)
		__module_get(THIS_MODULE);
	dma_fence_init(&fence->base, &fence_ops, fence_lock(fence), context, seqno);
	return &fence->base;
}
