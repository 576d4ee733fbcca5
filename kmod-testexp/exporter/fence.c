// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "exporter/fence.h"
#include "compat.h"
#include "testexp_uapi.h"

/**
 * struct testexp_fence - a fence with the lock it needs
 * @base: what others see; first, as dma_fence_free() frees it
 * @lock: what the core of dma_fence asks for
 */
struct testexp_fence {
	struct dma_fence base;
	spinlock_t lock; /* of base; nothing of ours */
};

static const char *fence_driver_name(struct dma_fence *fence)
{
	return TESTEXP_DEVICE_NAME;
}

static const char *fence_timeline_name(struct dma_fence *fence)
{
	return "importer";
}

/* After module_put() there are instructions of the module left: see testexp_fence_exit(). */
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
 * testexp_fence_exit - wait for those that are about to leave the module's code
 *
 * Others may hold a fence for long, in a sync_file for instance, so each fence holds the
 * module. The last reference may be dropped anywhere, and then the module can be
 * unloaded while fence_release() has not returned. Two things wait for that:
 * synchronize_rcu() for interrupts, soft interrupts and all that runs without
 * preemption, on idle processors too; synchronize_rcu_tasks() for a task that was
 * preempted there, until it sleeps or is in user space. Kernels without preemption have
 * no such tasks, and there both are the same.
 *
 * Where fences detach, synchronize_rcu() waits for readers of a fence's names.
 */
void testexp_fence_exit(void)
{
	synchronize_rcu();
	if (!TESTEXP_FENCE_DETACHES)
		synchronize_rcu_tasks();
}

/**
 * testexp_fence_alloc - make a fence
 * @context: of its timeline
 * @seqno: its place on that
 *
 * Return: a fence that nobody has seen, so it may be put unsignalled; or NULL.
 */
struct dma_fence *testexp_fence_alloc(u64 context, u64 seqno)
{
	struct testexp_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL_ACCOUNT);

	if (!fence)
		return NULL;

	if (!TESTEXP_FENCE_DETACHES)
		__module_get(THIS_MODULE);
	spin_lock_init(&fence->lock);
	dma_fence_init(&fence->base, &fence_ops, &fence->lock, context, seqno);
	return &fence->base;
}
