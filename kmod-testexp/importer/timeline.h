/* SPDX-License-Identifier: GPL-2.0 */
/* Fences of importers that use their PFNs for a while after move_notify. */
#ifndef TESTEXP_TIMELINE_H
#define TESTEXP_TIMELINE_H

#include <linux/types.h>
#include <linux/workqueue.h>

struct dma_fence;
struct dma_resv;
struct importer;

/**
 * struct timeline - the timeline of an importer, which has at most one pending fence
 * @pending: the fence in the buffer's reservation object that has not signalled, or NULL
 * @refused: the importer adds no more fences, because it is being closed
 * @context: number of the timeline
 * @seqno: sequence number of the last fence on the timeline
 * @deadline: jiffies at which @pending expires
 * @expire: work that signals the fence at @deadline
 */
struct timeline {
	struct dma_fence *pending;
	bool refused;
	u64 context;
	u64 seqno;
	unsigned long deadline;
	struct delayed_work expire;
};

void testexp_timeline_init(struct importer *importer);
struct dma_fence *testexp_timeline_prepare(struct importer *importer, struct dma_resv *resv);
bool testexp_timeline_begin(struct importer *importer, struct dma_resv *resv,
			    struct dma_fence *fence);
bool testexp_timeline_is_pending(const struct importer *importer);
void testexp_timeline_refuse(struct importer *importer);
void testexp_timeline_end(struct importer *importer);

#endif /* TESTEXP_TIMELINE_H */
