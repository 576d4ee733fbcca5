/* SPDX-License-Identifier: GPL-2.0 */
/* Importers that go on for a while after move_notify, and say with a fence how long. */
#ifndef TESTEXP_FENCE_H
#define TESTEXP_FENCE_H

#include <linux/dma-fence.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct dma_resv;
struct importer;

/**
 * struct fence_owner - an importer's timeline, with at most one fence pending
 * @pending: unsignalled, in the buffer's reservation object, or NULL
 * @refused: no more fences, as the importer is about to go
 * @context: of the timeline
 * @seqno: of the last fence on it
 * @expire: signals the fence when nobody else does
 */
struct fence_owner {
	struct dma_fence *pending;
	bool refused;
	u64 context;
	u64 seqno;
	struct delayed_work expire;
};

struct dma_fence *fence_alloc(u64 context, u64 seqno);
void fence_module_exit(void);

void fence_init(struct importer *importer);
struct dma_fence *fence_prepare(struct importer *importer, struct dma_resv *resv);
bool fence_begin(struct importer *importer, struct dma_resv *resv, struct dma_fence *fence);
bool fence_is_pending(const struct importer *importer);
void fence_refuse(struct importer *importer);
void fence_end(struct importer *importer);

#endif /* TESTEXP_FENCE_H */
