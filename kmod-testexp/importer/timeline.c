// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-resv.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>

#include "exporter/fence.h"
#include "importer/importer.h"
#include "importer/timeline.h"
#include "testexp_uapi.h"

/*
 * If a fence is pending, drops the entries of the table and then signals the fence. Returns
 * whether a fence was pending. @expired: signals the fence only if its time is over, with an error.
 */
static bool timeline_signal(struct importer *importer, bool expired)
{
	struct timeline *timeline = &importer->timeline;
	bool cookie = dma_fence_begin_signalling();
	struct dma_fence *fence;

	mutex_lock(&importer->table.lock);
	fence = timeline->pending;
	/* The work of an earlier fence may have waited for the lock until this fence was begun. */
	if (expired && time_before(jiffies, timeline->deadline))
		fence = NULL;
	if (fence) {
		WRITE_ONCE(timeline->pending, NULL);
		testexp_table_drop_all(&importer->table);
		if (expired)
			dma_fence_set_error(fence, -ETIMEDOUT);
		dma_fence_signal(fence);
		dma_fence_put(fence);
	}
	mutex_unlock(&importer->table.lock);
	dma_fence_end_signalling(cookie);
	wake_up_all(&importer->wait);
	return fence;
}

/* A fence must signal even when user space does nothing. */
static void timeline_expire(struct work_struct *work)
{
	struct importer *importer = container_of(to_delayed_work(work), struct importer,
						 timeline.expire);

	timeline_signal(importer, true);
}

void testexp_timeline_init(struct importer *importer)
{
	importer->timeline.context = dma_fence_context_alloc(1);
	INIT_DELAYED_WORK(&importer->timeline.expire, timeline_expire);
}

/**
 * testexp_timeline_prepare - allocate what testexp_timeline_begin() needs
 * @importer: an importer with or without TESTEXP_ATTACH_FENCE
 * @resv: reservation object of its buffer, locked
 *
 * Return: a fence; or NULL when the importer adds no fences, or without memory. Then the
 * importer must drop its entries at once.
 */
struct dma_fence *testexp_timeline_prepare(struct importer *importer, struct dma_resv *resv)
{
	struct timeline *timeline = &importer->timeline;

	if (!(importer->flags & TESTEXP_ATTACH_FENCE) || dma_resv_reserve_fences(resv, 1))
		return NULL;

	/* The reservation lock guards seqno. */
	return testexp_fence_alloc(timeline->context, ++timeline->seqno);
}

/**
 * testexp_timeline_begin - let the use of the table's entries go on for a while
 * @importer: an importer whose table lock is held
 * @resv: reservation object of its buffer, locked
 * @fence: result of testexp_timeline_prepare(), whose reference this function consumes
 *
 * Return: true when a pending fence covers the use of the entries; false when the caller must
 * drop the entries now.
 */
bool testexp_timeline_begin(struct importer *importer, struct dma_resv *resv,
			    struct dma_fence *fence)
{
	struct timeline *timeline = &importer->timeline;

	if (fence && !timeline->pending && !timeline->refused) {
		timeline->deadline = jiffies + msecs_to_jiffies(TESTEXP_FENCE_MS);
		WRITE_ONCE(timeline->pending, fence);
		dma_resv_add_fence(resv, fence, DMA_RESV_USAGE_BOOKKEEP);
		/* An earlier fence that signalled early may have left its work behind. */
		cancel_delayed_work(&timeline->expire);
		schedule_delayed_work(&timeline->expire, msecs_to_jiffies(TESTEXP_FENCE_MS));
		return true;
	}

	/* Nobody else knows this fence, so it may be freed without being signalled. */
	dma_fence_put(fence);
	return timeline->pending;
}

bool testexp_timeline_is_pending(const struct importer *importer)
{
	return READ_ONCE(importer->timeline.pending);
}

/* From now on the importer drops its entries as soon as it is notified. */
void testexp_timeline_refuse(struct importer *importer)
{
	mutex_lock(&importer->table.lock);
	importer->timeline.refused = true;
	mutex_unlock(&importer->table.lock);
	timeline_signal(importer, false);
}

/* Called when the importer is not notified any more. */
void testexp_timeline_end(struct importer *importer)
{
	testexp_timeline_refuse(importer);
	cancel_delayed_work_sync(&importer->timeline.expire);
}

/* Serves TESTEXP_IOC_SIGNAL: see struct testexp_signal. */
int testexp_importer_signal(struct testexp_call *call)
{
	struct testexp_signal *args = call->args;

	if (args->reserved)
		return -EINVAL;

	args->pending = timeline_signal(call->owner, false);
	return testexp_respond(call);
}
