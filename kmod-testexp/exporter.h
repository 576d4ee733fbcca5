/* SPDX-License-Identifier: GPL-2.0 */
/* The test exporter: dma_buf_ops over a layout. */
#ifndef TESTEXP_EXPORTER_H
#define TESTEXP_EXPORTER_H

#include <linux/dma-buf.h>

#include "testexp_uapi.h"

bool exporter_owns(const struct dma_buf *dmabuf);
u32 exporter_nr_buffers(void);

struct dma_buf *exporter_create(struct testexp_create *args,
				const struct testexp_extent *extents);
int exporter_stats(struct dma_buf *dmabuf, struct testexp_stats *args);
int exporter_revoke(struct dma_buf *dmabuf);

#endif /* TESTEXP_EXPORTER_H */
