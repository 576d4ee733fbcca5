/* SPDX-License-Identifier: GPL-2.0 */
/* The test exporter: dma_buf_ops over a layout. */
#ifndef TESTEXP_EXPORTER_H
#define TESTEXP_EXPORTER_H

#include <linux/dma-buf.h>

#include "exporter/layout.h"
#include "testexp_uapi.h"

bool testexp_exporter_owns(const struct dma_buf *dmabuf);
bool testexp_exporter_is_revoked(const struct dma_buf *dmabuf);
u32 testexp_nr_buffers(void);

struct dma_buf *testexp_exporter_create(struct testexp_create *args,
					const struct testexp_extent *extents);
const struct layout *testexp_exporter_layout(const struct dma_buf *dmabuf);
int testexp_exporter_stats(struct dma_buf *dmabuf, struct testexp_stats *args);
int testexp_exporter_prepare_vmap(struct dma_buf *dmabuf);
int testexp_exporter_revoke(struct dma_buf *dmabuf);
int testexp_exporter_restore(struct dma_buf *dmabuf);
int testexp_exporter_describe(struct dma_buf *dmabuf, struct testexp_describe *args);
int testexp_exporter_move(struct dma_buf *dmabuf, const struct testexp_move *args,
			  const struct testexp_extent *extents);

struct task_struct *testexp_exporter_enter(struct dma_buf *dmabuf);
void testexp_exporter_leave(struct dma_buf *dmabuf, struct task_struct *before);

/**
 * enum exporter_touched - what the first word of a page held
 * @EXPORTER_TOUCHED_RIGHT: the signature
 * @EXPORTER_TOUCHED_POISON: poison, because a move took the page away
 * @EXPORTER_TOUCHED_WRONG: another value
 * @EXPORTER_TOUCHED_NOTHING: unknown: the buffer does not own the page, so it was not accessed
 */
enum exporter_touched {
	EXPORTER_TOUCHED_RIGHT,
	EXPORTER_TOUCHED_POISON,
	EXPORTER_TOUCHED_WRONG,
	EXPORTER_TOUCHED_NOTHING,
};

enum exporter_touched testexp_exporter_touch(struct dma_buf *dmabuf, u64 pgoff, u64 pfn,
					     u64 signature, u32 flags);

#endif /* TESTEXP_EXPORTER_H */
