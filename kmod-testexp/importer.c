// SPDX-License-Identifier: GPL-2.0
#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "importer.h"
#include "testexp_uapi.h"

/* Calls under one hold of the reservation lock, and results in one copy. */
#define IMPORTER_CHUNK	512

static atomic_t nr_importers = ATOMIC_INIT(0);

u32 importer_nr_importers(void)
{
	return atomic_read(&nr_importers);
}

/* Nothing to drop: this importer keeps no PFN beyond the call that asked. */
static void importer_move_notify(struct dma_buf_attachment *attach)
{
	dma_resv_assert_held(attach->dmabuf->resv);
}

static const struct dma_buf_attach_ops importer_attach_ops = {
	.allow_peer2peer = true,
	.move_notify = importer_move_notify,
};

static void importer_ask(struct importer *importer, const struct testexp_resolve *args,
			 u64 pgoff, struct testexp_result *result)
{
	int *max_order = args->flags & TESTEXP_RESOLVE_NO_ORDER ? NULL : &result->max_order;

	result->pfn = TESTEXP_UNTOUCHED_PFN;
	result->max_order = TESTEXP_UNTOUCHED_ORDER;
	if (args->flags & TESTEXP_RESOLVE_LOCKED)
		result->error = testexp_get_pfn(importer->attach, pgoff,
						&result->pfn, max_order);
	else
		result->error = testexp_get_pfn_unlocked(importer->attach, pgoff,
							 &result->pfn, max_order);
}

static void importer_ask_chunk(struct importer *importer, const struct testexp_resolve *args,
			       u64 first, struct testexp_result *results, u32 count)
{
	bool locked = args->flags & TESTEXP_RESOLVE_LOCKED;
	struct dma_resv *resv = importer->attach->dmabuf->resv;
	u32 i;

	if (locked)
		dma_resv_lock(resv, NULL);
	for (i = 0; i < count; i++)
		importer_ask(importer, args, args->pgoff + (first + i) * args->stride,
			     results + i);
	if (locked)
		dma_resv_unlock(resv);
}

static int importer_check_resolve(const struct testexp_resolve *args)
{
	u64 span, last;

	if (!args->count || !args->stride)
		return -EINVAL;
	if (check_mul_overflow(args->count - 1, args->stride, &span) ||
	    check_add_overflow(args->pgoff, span, &last))
		return -EOVERFLOW;
	return 0;
}

static int importer_resolve(struct testexp_call *call)
{
	const struct testexp_resolve *args = call->args;
	struct testexp_result __user *user_results = u64_to_user_ptr(args->results);
	struct testexp_result *results;
	u64 done;
	u32 here;
	int ret;

	ret = importer_check_resolve(args);
	if (ret)
		return ret;

	results = kcalloc(IMPORTER_CHUNK, sizeof(*results), GFP_KERNEL_ACCOUNT);
	if (!results)
		return -ENOMEM;

	for (done = 0; done < args->count; done += here) {
		here = min_t(u64, args->count - done, IMPORTER_CHUNK);
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		importer_ask_chunk(call->owner, args, done, results, here);
		if (copy_to_user(user_results + done, results, here * sizeof(*results))) {
			ret = -EFAULT;
			break;
		}
		cond_resched();
	}
	kfree(results);
	return ret;
}

static int importer_copy_segments(const struct sg_table *sgt, struct testexp_map *args)
{
	struct testexp_map_entry __user *entries = u64_to_user_ptr(args->entries);
	struct scatterlist *sg;
	unsigned int i;

	args->nr_entries = sgt->nents;
	if (args->nr_entries > args->capacity)
		return -ENOSPC;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		struct testexp_map_entry entry = {
			.dma_address = sg_dma_address(sg),
			.length_bytes = sg_dma_len(sg),
		};

		if (copy_to_user(entries + i, &entry, sizeof(entry)))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int importer_map(struct testexp_call *call)
{
	struct testexp_map *args = call->args;
	struct importer *importer = call->owner;
	struct sg_table *sgt;
	int ret, respond;

	if (args->nr_entries)
		return -EINVAL;

	sgt = dma_buf_map_attachment_unlocked(importer->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);

	ret = importer_copy_segments(sgt, args);
	dma_buf_unmap_attachment_unlocked(importer->attach, sgt, DMA_BIDIRECTIONAL);

	if (ret && ret != -ENOSPC)
		return ret;
	respond = testexp_respond(call);
	return respond ? respond : ret;
}

static const struct testexp_ioctl importer_ioctls[] = {
	TESTEXP_IOCTL(TESTEXP_IOC_RESOLVE, struct testexp_resolve, results,
		      TESTEXP_RESOLVE_FLAGS, importer_resolve),
	TESTEXP_IOCTL(TESTEXP_IOC_MAP, struct testexp_map, nr_entries, 0, importer_map),
	TESTEXP_IOCTL(TESTEXP_IOC_MEASURE, struct testexp_measure, clock_cost_ticks,
		      0, importer_measure),
};

static long importer_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return testexp_ioctl(importer_ioctls, ARRAY_SIZE(importer_ioctls),
			     file->private_data, cmd, (void __user *)arg);
}

static void importer_destroy(struct importer *importer)
{
	struct dma_buf *dmabuf = importer->attach->dmabuf;

	dma_buf_detach(dmabuf, importer->attach);
	dma_buf_put(dmabuf);
	kfree(importer);
	atomic_dec(&nr_importers);
}

static int importer_release(struct inode *inode, struct file *file)
{
	importer_destroy(file->private_data);
	return 0;
}

static const struct file_operations importer_fops = {
	.owner = THIS_MODULE,
	.release = importer_release,
	.unlocked_ioctl = importer_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/**
 * importer_create - attach to a buffer
 * @dmabuf: any; a reference is taken for the importer
 * @dev: device to attach, or NULL
 * @dynamic: whether the importer has move_notify
 *
 * Return: a file whose release detaches, or a negative errno.
 */
struct file *importer_create(struct dma_buf *dmabuf, struct device *dev, bool dynamic)
{
	struct importer *importer;
	struct file *file;

	importer = kzalloc(sizeof(*importer), GFP_KERNEL_ACCOUNT);
	if (!importer)
		return ERR_PTR(-ENOMEM);

	importer->attach = dma_buf_dynamic_attach(dmabuf, dev,
						  dynamic ? &importer_attach_ops : NULL,
						  importer);
	if (IS_ERR(importer->attach)) {
		file = ERR_CAST(importer->attach);
		kfree(importer);
		return file;
	}
	get_dma_buf(dmabuf);
	atomic_inc(&nr_importers);

	file = anon_inode_getfile("[dmabuf_testexp-importer]", &importer_fops, importer, O_RDWR);
	if (IS_ERR(file))
		importer_destroy(importer);
	return file;
}
