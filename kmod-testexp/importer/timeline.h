/* SPDX-License-Identifier: GPL-2.0 */
/* Importers that go on for a while after move_notify, and say with a fence how long. */
#ifndef TESTEXP_TIMELINE_H
#define TESTEXP_TIMELINE_H

#include <linux/types.h>
#include <linux/workqueue.h>

struct dma_fence;
struct dma_resv;
struct importer;

/**
 * struct timeline - an importer's timeline, with at most one fence pending
 * @pending: unsignalled, in the buffer's reservation object, or NULL
 * @refused: no more fences, as the importer is about to go
 * @context: of the timeline
 * @seqno: of the last fence on it
 * @expire: signals the fence when nobody else does
 */
struct timeline {
	struct dma_fence *pending;
	bool refused;
	u64 context;
	u64 seqno;
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
