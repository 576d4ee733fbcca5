/* SPDX-License-Identifier: GPL-2.0 */
/* The test importer: a descriptor that owns one attachment. */
#ifndef TESTEXP_IMPORTER_H
#define TESTEXP_IMPORTER_H

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>

#include "ioctl.h"

/**
 * struct importer - what an importer descriptor owns
 * @attach: its attachment; holds a reference of the buffer
 */
struct importer {
	struct dma_buf_attachment *attach;
};

struct file *importer_create(struct dma_buf *dmabuf, struct device *dev, bool dynamic);
u32 importer_nr_importers(void);

/* In measure.c: serves TESTEXP_IOC_MEASURE. */
int importer_measure(struct testexp_call *call);

#endif /* TESTEXP_IMPORTER_H */
