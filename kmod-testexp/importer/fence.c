// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-resv.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "importer/fence.h"
#include "importer/importer.h"
#include "compat.h"
#include "testexp_uapi.h"

/**
 * struct importer_fence - a fence with the lock it needs
 * @base: what others see; first, as dma_fence_free() frees it
 * @lock: what the core of dma_fence asks for
 */
struct importer_fence {
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

/* After module_put() there are instructions of the module left: see fence_module_exit(). */
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
 * fence_module_exit - wait for those that are about to leave the module's code
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
void fence_module_exit(void)
{
	synchronize_rcu();
	if (!TESTEXP_FENCE_DETACHES)
		synchronize_rcu_tasks();
}

/**
 * fence_alloc - make a fence
 * @context: of its timeline
 * @seqno: its place on that
 *
 * Return: a fence that nobody has seen, so it may be put unsignalled; or NULL.
 */
struct dma_fence *fence_alloc(u64 context, u64 seqno)
{
	struct importer_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL_ACCOUNT);

	if (!fence)
		return NULL;

	if (!TESTEXP_FENCE_DETACHES)
		__module_get(THIS_MODULE);
	spin_lock_init(&fence->lock);
	dma_fence_init(&fence->base, &fence_ops, &fence->lock, context, seqno);
	return &fence->base;
}

/*
 * Drops the entries and signals the fence that stands for their use, if there is
 * one, in this order. Return: whether there was.
 */
static bool fence_signal(struct importer *importer, int error)
{
	struct dma_fence *fence;
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&importer->table.lock);
	fence = importer->fence.pending;
	WRITE_ONCE(importer->fence.pending, NULL);
	if (fence) {
		table_drop_all(&importer->table);
		if (error)
			dma_fence_set_error(fence, error);
		dma_fence_signal(fence);
		dma_fence_put(fence);
	}
	mutex_unlock(&importer->table.lock);
	dma_fence_end_signalling(cookie);
	wake_up_all(&importer->wait);
	return fence;
}

/* A fence has to signal whatever user space does. */
static void fence_expire(struct work_struct *work)
{
	struct importer *importer = container_of(to_delayed_work(work), struct importer,
						 fence.expire);

	fence_signal(importer, -ETIMEDOUT);
}

void fence_init(struct importer *importer)
{
	importer->fence.context = dma_fence_context_alloc(1);
	INIT_DELAYED_WORK(&importer->fence.expire, fence_expire);
}

/**
 * fence_prepare - allocate what fence_begin() needs
 * @importer: with or without TESTEXP_ATTACH_FENCE
 * @resv: of its buffer, locked
 *
 * Return: a fence, or NULL when there is to be none. No memory is no error: then
 * the importer just has to be done at once.
 */
struct dma_fence *fence_prepare(struct importer *importer, struct dma_resv *resv)
{
	struct fence_owner *owner = &importer->fence;

	if (!(importer->flags & TESTEXP_ATTACH_FENCE) || dma_resv_reserve_fences(resv, 1))
		return NULL;

	/* The reservation lock makes @seqno ours. */
	return fence_alloc(owner->context, ++owner->seqno);
}

/**
 * fence_begin - let the use of the table's entries go on for a while
 * @importer: its table's lock is held
 * @resv: of its buffer, locked
 * @fence: from fence_prepare(), consumed
 *
 * Return: true when a fence now stands for that use; else the entries have to go
 * now.
 */
bool fence_begin(struct importer *importer, struct dma_resv *resv, struct dma_fence *fence)
{
	struct fence_owner *owner = &importer->fence;

	if (fence && !owner->pending && !owner->refused) {
		WRITE_ONCE(owner->pending, fence);
		dma_resv_add_fence(resv, fence, DMA_RESV_USAGE_BOOKKEEP);
		/* Of an earlier fence, which was signalled before its time. */
		cancel_delayed_work(&owner->expire);
		schedule_delayed_work(&owner->expire, msecs_to_jiffies(TESTEXP_FENCE_MS));
		return true;
	}

	/* One nobody has seen may be freed unsignalled. */
	dma_fence_put(fence);
	return owner->pending;
}

bool fence_is_pending(const struct importer *importer)
{
	return READ_ONCE(importer->fence.pending);
}

/* From now on the importer is done with its entries as soon as it is notified. */
void fence_refuse(struct importer *importer)
{
	mutex_lock(&importer->table.lock);
	importer->fence.refused = true;
	mutex_unlock(&importer->table.lock);
	fence_signal(importer, 0);
}

/* The importer is notified no more. */
void fence_end(struct importer *importer)
{
	fence_refuse(importer);
	cancel_delayed_work_sync(&importer->fence.expire);
}

/* Serves TESTEXP_IOC_SIGNAL: see struct testexp_signal. */
int importer_signal(struct testexp_call *call)
{
	struct testexp_signal *args = call->args;

	if (args->reserved)
		return -EINVAL;

	args->pending = fence_signal(call->owner, 0);
	return testexp_respond(call);
}
