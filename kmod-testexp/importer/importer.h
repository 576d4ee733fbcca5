/* SPDX-License-Identifier: GPL-2.0 */
/* The test importer: a descriptor that owns one attachment. */
#ifndef TESTEXP_IMPORTER_H
#define TESTEXP_IMPORTER_H

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "importer/timeline.h"
#include "importer/table.h"
#include "ioctl.h"
#include "testexp_uapi.h"

/**
 * struct importer - the object of an importer descriptor
 * @file: file of that descriptor, without a reference
 * @attach: its attachment, which holds a reference of the buffer
 * @flags: TESTEXP_ATTACH_*, immutable
 * @more_ioctls: ioctls of its descriptor that another component serves, immutable
 * @table: the PFNs that it keeps
 * @timeline: fences for the use of @table after move_notify; guarded by the table's lock
 * @map_lock: guards @kernel_map; taken outside the reservation lock
 * @kernel_map: the kernel's mapping of the buffer, set by MAP_KERNEL
 * @asked: with TESTEXP_ATTACH_ASK, the answer in the last move_notify; guarded by the reservation
 *	lock
 * @pausing: number of FILLs that are in their pause
 * @wait: woken when @pausing, the pending fence or the table's notifies changes
 */
struct importer {
	struct file *file;
	struct dma_buf_attachment *attach;
	u32 flags;
	const struct testexp_ioctls *more_ioctls;
	struct table table;
	struct timeline timeline;
	struct mutex map_lock; /* guards kernel_map */
	struct iosys_map kernel_map;
	struct testexp_result asked;
	atomic_t pausing;
	wait_queue_head_t wait;
};

struct file *testexp_importer_create(struct dma_buf *dmabuf, struct device *dev, u32 flags,
				     const struct testexp_ioctls *more_ioctls);
u32 testexp_nr_importers(void);
struct importer *testexp_importer_get(int fd);
void testexp_importer_put(struct importer *importer);

/* In table.c: serve TESTEXP_IOC_FILL, TESTEXP_IOC_AUDIT and TESTEXP_IOC_USE. */
int testexp_importer_fill(struct testexp_call *call);
int testexp_importer_audit(struct testexp_call *call);
int testexp_importer_use(struct testexp_call *call);

/* In timeline.c: serves TESTEXP_IOC_SIGNAL. */
int testexp_importer_signal(struct testexp_call *call);

#endif /* TESTEXP_IMPORTER_H */
