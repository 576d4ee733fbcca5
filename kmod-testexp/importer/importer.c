// SPDX-License-Identifier: GPL-2.0
#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/cc_platform.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "exporter/exporter.h"
#include "exporter/layout.h"
#include "exporter/memory.h"
#include "importer/importer.h"
#include "compat.h"
#include "testexp_uapi.h"

/* Number of calls under one hold of the reservation lock, and of results in one copy. */
#define IMPORTER_CHUNK	512

static atomic_t nr_importers = ATOMIC_INIT(0);

u32 testexp_nr_importers(void)
{
	return atomic_read(&nr_importers);
}

static const struct testexp_result importer_not_asked = {
	.pfn = TESTEXP_UNTOUCHED_PFN,
	.max_order = TESTEXP_UNTOUCHED_ORDER,
};

/* importer->attach may not be set yet, so the caller has to tell the attachment. */
static void importer_ask_when_notified(struct importer *importer,
				       struct dma_buf_attachment *attach)
{
	struct testexp_result asked = importer_not_asked;

	asked.error = testexp_get_pfn(attach, 0, &asked.pfn, &asked.max_order);
	importer->asked = asked;
}

/* After this callback, or after its fence if it adds one, no PFN is left in the table. */
static void importer_move_notify(struct dma_buf_attachment *attach)
{
	/* importer->attach may not be set yet: the call that attaches may not have returned. */
	struct importer *importer = attach->importer_priv;
	struct dma_resv *resv = attach->dmabuf->resv;
	struct dma_fence *fence;

	dma_resv_assert_held(resv);

	if (importer->flags & TESTEXP_ATTACH_ASK)
		importer_ask_when_notified(importer, attach);

	fence = testexp_timeline_prepare(importer, resv);
	mutex_lock(&importer->table.lock);
	testexp_table_notify(&importer->table);
	if (!testexp_timeline_begin(importer, resv, fence))
		testexp_table_drop_all(&importer->table);
	mutex_unlock(&importer->table.lock);
	wake_up_all(&importer->wait);
}

static const struct dma_buf_attach_ops importer_attach_ops = {
	.allow_peer2peer = true,
	.testexp_move_notify = importer_move_notify,
};

static const struct dma_buf_attach_ops importer_attach_ops_no_p2p = {
	.allow_peer2peer = false,
	.testexp_move_notify = importer_move_notify,
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

/*
 * Return: 0, or -EINTR when a signal ended the wait for the lock, or when the process was killed
 * between two calls of the unlocked form.
 */
static int importer_ask_chunk(struct importer *importer, const struct testexp_resolve *args,
			      u64 first, struct testexp_result *results, u32 count)
{
	bool locked = args->flags & TESTEXP_RESOLVE_LOCKED;
	struct dma_resv *resv = importer->attach->dmabuf->resv;
	int ret;
	u32 i;

	if (locked) {
		ret = dma_resv_lock_interruptible(resv, NULL);
		if (ret)
			return ret;
	}
	for (i = 0; i < count; i++) {
		/* No signal ends the wait of the unlocked form, so each call may wait. */
		if (!locked && fatal_signal_pending(current))
			return -EINTR;
		importer_ask(importer, args, args->pgoff + (first + i) * args->stride,
			     results + i);
	}
	if (locked)
		dma_resv_unlock(resv);
	return 0;
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

	results = testexp_memory_kvzalloc(IMPORTER_CHUNK * sizeof(*results));
	if (IS_ERR(results))
		return PTR_ERR(results);

	for (done = 0; done < args->count; done += here) {
		here = min_t(u64, args->count - done, IMPORTER_CHUNK);
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		ret = importer_ask_chunk(call->owner, args, done, results, here);
		if (ret)
			break;
		if (copy_to_user(user_results + done, results, here * sizeof(*results))) {
			ret = -EFAULT;
			break;
		}
		cond_resched();
	}
	testexp_memory_kvfree(results, IMPORTER_CHUNK * sizeof(*results));
	return ret;
}

/* With CONFIG_DMABUF_DEBUG the core of 7.3 gives importers a copy of the sg_table without pages. */
static u64 importer_link_pfn(struct scatterlist *sg)
{
	struct page *page = sg_page(sg);

	return page ? page_to_pfn(page) : TESTEXP_UNTOUCHED_PFN;
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
			.link_pfn = importer_link_pfn(sg),
		};

		if (copy_to_user(entries + i, &entry, sizeof(entry)))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Before 6.2 the vmap and vunmap of other exporters take the reservation lock. */
static bool importer_locks_vmap(const struct dma_buf *dmabuf)
{
	return TESTEXP_MAP_IS_LOCKED || testexp_exporter_owns(dmabuf);
}

/*
 * Called under the reservation lock, for a buffer of this module that is not revoked. Return: 0,
 * -EUCLEAN when the mapping has other pages than the buffer, or -EINTR when killed.
 */
static int importer_check_pages(const struct layout *layout, const void *vaddr)
{
	u64 pgoff;

	for (pgoff = 0; pgoff < layout->nr_pages; pgoff++, vaddr += PAGE_SIZE) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (vmalloc_to_pfn(vaddr) != pgoff + layout_find(layout, pgoff)->delta)
			return -EUCLEAN;
		cond_resched();
	}
	return 0;
}

/* Ends a mapping at once whose pages are wrong or were not checked: nobody may use these pages. */
static int importer_vmap(struct importer *importer)
{
	struct dma_buf *dmabuf = importer->attach->dmabuf;
	struct iosys_map map;
	int ret;

	ret = dma_buf_vmap(dmabuf, &map);
	if (ret)
		return ret;
	if (testexp_exporter_owns(dmabuf))
		ret = importer_check_pages(testexp_exporter_layout(dmabuf), map.vaddr);
	if (ret)
		dma_buf_vunmap(dmabuf, &map);
	else
		importer->kernel_map = map;
	return ret;
}

/* Maps the buffer for the kernel. The mapping is kept until the importer is closed. */
static int importer_map_kernel(struct importer *importer)
{
	struct dma_buf *dmabuf = importer->attach->dmabuf;
	bool lock = importer_locks_vmap(dmabuf);
	int ret;

	ret = mutex_lock_interruptible(&importer->map_lock);
	if (ret)
		return ret;
	if (lock) {
		ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
		if (ret)
			goto unlock;
	}
	ret = testexp_exporter_prepare_vmap(dmabuf);
	if (!ret && iosys_map_is_null(&importer->kernel_map))
		ret = importer_vmap(importer);
	if (lock)
		dma_resv_unlock(dmabuf->resv);
unlock:
	mutex_unlock(&importer->map_lock);
	return ret;
}

static void importer_unmap_kernel(struct importer *importer)
{
	struct dma_buf *dmabuf = importer->attach->dmabuf;
	bool lock = importer_locks_vmap(dmabuf);

	if (iosys_map_is_null(&importer->kernel_map))
		return;
	if (lock)
		dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_vunmap(dmabuf, &importer->kernel_map);
	if (lock)
		dma_resv_unlock(dmabuf->resv);
}

static int importer_map(struct testexp_call *call)
{
	struct testexp_map *args = call->args;
	struct importer *importer = call->owner;
	struct sg_table *sgt;
	int ret, respond;

	if (args->nr_entries)
		return -EINVAL;
	if (args->flags & TESTEXP_MAP_KERNEL)
		return importer_map_kernel(importer);

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

#if TESTEXP_HAS_PFN_ATTRS

/* Each byte of the attributes before the call. */
#define IMPORTER_UNTOUCHED_BYTE	0xa5

/* enum testexp_cache, indexed by enum dma_buf_pfn_cache */
static const u32 importer_cache_modes[] = {
	[DMA_BUF_PFN_WB] = TESTEXP_CACHE_WB,
	[DMA_BUF_PFN_WC] = TESTEXP_CACHE_WC,
	[DMA_BUF_PFN_UC] = TESTEXP_CACHE_UC,
};

/* A byte that the exporter has not written is neither true nor false, so it is read as a number. */
static bool importer_is_encrypted(const struct dma_buf_pfn_attrs *attrs)
{
	return *(const u8 *)&attrs->encrypted;
}

static bool importer_has_written_provider(const struct dma_buf_pfn_attrs *attrs)
{
	return memchr_inv(&attrs->provider, IMPORTER_UNTOUCHED_BYTE, sizeof(attrs->provider));
}

/*
 * No page is encrypted where the kernel encrypts no memory. RAM has no provider, and the exporter
 * must say of MMIO who provides it, if only NULL. The pages of this module are not encrypted, and
 * have no provider.
 */
static bool importer_knows_provider_and_encryption(const struct importer *importer,
						   const struct dma_buf_pfn_attrs *attrs)
{
	if (importer_is_encrypted(attrs) && !cc_platform_has(CC_ATTR_MEM_ENCRYPT))
		return false;
	if (testexp_exporter_owns(importer->attach->dmabuf))
		return !attrs->provider && !importer_is_encrypted(attrs);
	if (attrs->type == DMA_BUF_PFN_MMIO)
		return importer_has_written_provider(attrs);
	return !attrs->provider;
}

/* Whether the exporter returned values that the kernel has. Only these may be used as an index. */
static bool importer_knows_attrs(const struct importer *importer,
				 const struct dma_buf_pfn_attrs *attrs)
{
	return attrs->cache < ARRAY_SIZE(importer_cache_modes) &&
	       (attrs->type == DMA_BUF_PFN_RAM || attrs->type == DMA_BUF_PFN_MMIO) &&
	       importer_knows_provider_and_encryption(importer, attrs);
}

/* Called only for attributes that importer_knows_attrs() has accepted. */
static bool importer_has_pci_provider(const struct dma_buf_pfn_attrs *attrs)
{
	return attrs->type == DMA_BUF_PFN_MMIO && attrs->provider &&
	       dev_is_pci(attrs->provider->owner);
}

/*
 * The provider may go when the lock is dropped, so @attributes is set before: to 0 or
 * TESTEXP_DESCRIBED_PCI_PROVIDER.
 *
 * Return: 0, the error of the call, or -EINTR when a signal ended the wait for the lock.
 */
static int importer_get_attrs(struct importer *importer, u64 pgoff,
			      struct dma_buf_pfn_attrs *attrs, u32 *attributes)
{
	struct dma_resv *resv = importer->attach->dmabuf->resv;
	int ret;

	*attributes = 0;
	memset(attrs, IMPORTER_UNTOUCHED_BYTE, sizeof(*attrs));
	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret)
		return ret;
	ret = dma_buf_get_pfn_attrs(importer->attach, pgoff, attrs);
	if (!ret && importer_knows_attrs(importer, attrs) && importer_has_pci_provider(attrs))
		*attributes = TESTEXP_DESCRIBED_PCI_PROVIDER;
	dma_resv_unlock(resv);
	return ret;
}

/*
 * Replaces the type and the cache mode by those that dma_buf_get_pfn_attrs() returns. The
 * call fails for a page without a PFN, and for an importer that may not have the PFN. Then
 * the exporter's answer stays.
 */
static int importer_describe_attrs(struct importer *importer, struct testexp_describe *args)
{
	struct dma_buf_pfn_attrs attrs;
	u32 attributes;
	int ret = importer_get_attrs(importer, args->pgoff, &attrs, &attributes);

	if (ret)
		return ret == -ENODEV || ret == -EINTR ? ret : 0;
	if (!importer_knows_attrs(importer, &attrs))
		return -EUCLEAN;

	args->cache = importer_cache_modes[attrs.cache];
	if (attrs.type == DMA_BUF_PFN_MMIO)
		args->type = TESTEXP_EXTENT_MMIO;
	else if (args->type == TESTEXP_EXTENT_MMIO)
		args->type = TESTEXP_EXTENT_RAM;
	return 0;
}

/* Serves TESTEXP_DESCRIBE_ATTRS. A call that fails must not write to its result. */
static int importer_describe_only_attrs(struct importer *importer, struct testexp_describe *args)
{
	struct dma_buf_pfn_attrs attrs, untouched;
	u32 attributes;
	int ret;

	memset(&untouched, IMPORTER_UNTOUCHED_BYTE, sizeof(untouched));
	ret = importer_get_attrs(importer, args->pgoff, &attrs, &attributes);
	if (ret)
		return memcmp(&attrs, &untouched, sizeof(attrs)) ? -EUCLEAN : ret;
	if (!importer_knows_attrs(importer, &attrs))
		return -EUCLEAN;

	args->first = 0;
	args->nr_pages = 0;
	args->attributes = attributes;
	args->cache = importer_cache_modes[attrs.cache];
	args->type = attrs.type == DMA_BUF_PFN_MMIO ? TESTEXP_EXTENT_MMIO : TESTEXP_EXTENT_RAM;
	return 0;
}

#else

static int importer_describe_attrs(struct importer *importer, struct testexp_describe *args)
{
	return 0;
}

static int importer_describe_only_attrs(struct importer *importer, struct testexp_describe *args)
{
	return -EOPNOTSUPP;
}

#endif

static int importer_describe(struct testexp_call *call)
{
	struct testexp_describe *args = call->args;
	struct importer *importer = call->owner;
	int ret;

	if (args->reserved)
		return -EINVAL;
	if (args->flags & TESTEXP_DESCRIBE_ATTRS) {
		ret = importer_describe_only_attrs(importer, args);
	} else {
		ret = testexp_exporter_describe(importer->attach->dmabuf, args);
		if (!ret)
			ret = importer_describe_attrs(importer, args);
	}
	return ret ? ret : testexp_respond(call);
}

static const struct testexp_ioctl importer_rows[] = {
	TESTEXP_IOCTL(TESTEXP_IOC_RESOLVE, struct testexp_resolve, results,
		      TESTEXP_RESOLVE_FLAGS, importer_resolve),
	TESTEXP_IOCTL(TESTEXP_IOC_MAP, struct testexp_map, nr_entries, TESTEXP_MAP_FLAGS,
		      importer_map),
	TESTEXP_IOCTL(TESTEXP_IOC_FILL, struct testexp_fill, notified, TESTEXP_FILL_FLAGS,
		      testexp_importer_fill),
	TESTEXP_IOCTL(TESTEXP_IOC_AUDIT, struct testexp_audit, notifies, 0, testexp_importer_audit),
	TESTEXP_IOCTL(TESTEXP_IOC_USE, struct testexp_use, notifies, TESTEXP_USE_FLAGS,
		      testexp_importer_use),
	TESTEXP_IOCTL(TESTEXP_IOC_SIGNAL, struct testexp_signal, reserved, 0,
		      testexp_importer_signal),
	TESTEXP_IOCTL(TESTEXP_IOC_DESCRIBE, struct testexp_describe, reserved,
		      TESTEXP_DESCRIBE_FLAGS, importer_describe),
};

static const struct testexp_ioctls importer_ioctls = {
	.rows = importer_rows,
	.nr_rows = ARRAY_SIZE(importer_rows),
};

static long importer_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct importer *importer = file->private_data;
	void __user *user_args = (void __user *)arg;
	long ret = testexp_ioctl(&importer_ioctls, importer, cmd, user_args);

	if (ret == -ENOTTY)
		ret = testexp_ioctl(importer->more_ioctls, importer, cmd, user_args);
	return ret;
}

static __poll_t importer_poll(struct file *file, poll_table *wait)
{
	struct importer *importer = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &importer->wait, wait);
	if (atomic_read(&importer->pausing))
		events |= EPOLLIN;
	if (testexp_timeline_is_pending(importer))
		events |= EPOLLPRI;
	return events;
}

/* Frees an importer that has no attachment. */
static void importer_free(struct importer *importer)
{
	testexp_timeline_end(importer);
	testexp_table_destroy(&importer->table);
	kfree(importer);
}

static void importer_unpin(struct importer *importer)
{
	struct dma_resv *resv = importer->attach->dmabuf->resv;

	dma_resv_lock(resv, NULL);
	dma_buf_unpin(importer->attach);
	dma_resv_unlock(resv);
}

static int importer_pin(struct importer *importer)
{
	struct dma_resv *resv = importer->attach->dmabuf->resv;
	int ret;

	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret)
		return ret;
	ret = dma_buf_pin(importer->attach);
	dma_resv_unlock(resv);
	return ret;
}

static void importer_destroy(struct importer *importer)
{
	struct dma_buf *dmabuf = importer->attach->dmabuf;

	/* A move may wait for the fence of this importer and hold the lock that detaching needs. */
	testexp_timeline_refuse(importer);
	importer_unmap_kernel(importer);
	if (importer->flags & TESTEXP_ATTACH_PIN)
		importer_unpin(importer);
	dma_buf_detach(dmabuf, importer->attach);
	dma_buf_put(dmabuf);
	importer_free(importer);
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
	.poll = importer_poll,
	.unlocked_ioctl = importer_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct importer *importer_alloc(u32 flags, const struct testexp_ioctls *more_ioctls)
{
	struct importer *importer = kzalloc(sizeof(*importer), GFP_KERNEL_ACCOUNT);

	if (!importer)
		return NULL;
	importer->flags = flags;
	importer->asked = importer_not_asked;
	importer->more_ioctls = more_ioctls;
	testexp_table_init(&importer->table);
	mutex_init(&importer->map_lock);
	testexp_timeline_init(importer);
	atomic_set(&importer->pausing, 0);
	init_waitqueue_head(&importer->wait);
	return importer;
}

/* Only where TESTEXP_NOTIFY_IS_OPTIONAL: other kernels warn about a missing callback. */
static const struct dma_buf_attach_ops importer_attach_ops_no_notify = {
	.allow_peer2peer = true,
};

/* Returns the callbacks of the importer, or NULL for a static importer. */
static const struct dma_buf_attach_ops *importer_ops(u32 flags)
{
	if (!(flags & TESTEXP_ATTACH_DYNAMIC))
		return NULL;
	if (flags & TESTEXP_ATTACH_NO_NOTIFY)
		return &importer_attach_ops_no_notify;
	return flags & TESTEXP_ATTACH_NO_P2P ? &importer_attach_ops_no_p2p : &importer_attach_ops;
}

static int importer_attach(struct importer *importer, struct dma_buf *dmabuf, struct device *dev)
{
	const struct dma_buf_attach_ops *ops = importer_ops(importer->flags);
	int ret;

	/* Without callbacks the importer calls as most drivers do. */
	importer->attach = ops ? dma_buf_dynamic_attach(dmabuf, dev, ops, importer) :
				 dma_buf_attach(dmabuf, dev);
	if (IS_ERR(importer->attach))
		return PTR_ERR(importer->attach);
	/* dma_buf_attach() does not set this. */
	importer->attach->importer_priv = importer;

	if (importer->flags & TESTEXP_ATTACH_PIN) {
		ret = importer_pin(importer);
		if (ret) {
			testexp_timeline_refuse(importer);
			dma_buf_detach(dmabuf, importer->attach);
			return ret;
		}
	}
	get_dma_buf(dmabuf);
	return 0;
}

/**
 * testexp_importer_create - attach to a buffer
 * @dmabuf: any buffer; the importer takes a reference of its own
 * @dev: device to attach, or NULL
 * @flags: TESTEXP_ATTACH_*; the caller has refused flags that contradict each other
 * @more_ioctls: ioctls that the file serves besides those of this component
 *
 * Return: a file that detaches from the buffer when it is released, or a negative errno.
 */
struct file *testexp_importer_create(struct dma_buf *dmabuf, struct device *dev, u32 flags,
				     const struct testexp_ioctls *more_ioctls)
{
	struct importer *importer = importer_alloc(flags, more_ioctls);
	struct file *file;
	int ret;

	if (!importer)
		return ERR_PTR(-ENOMEM);

	ret = importer_attach(importer, dmabuf, dev);
	if (ret) {
		importer_free(importer);
		return ERR_PTR(ret);
	}
	atomic_inc(&nr_importers);

	file = anon_inode_getfile("[dmabuf_testexp-importer]", &importer_fops, importer, O_RDWR);
	if (IS_ERR(file))
		importer_destroy(importer);
	else
		importer->file = file;
	return file;
}

/*
 * Return: the importer of a descriptor, for testexp_importer_put(); -EBADF when no file is open
 * there; -EINVAL when the file is not an importer.
 */
struct importer *testexp_importer_get(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op == &importer_fops)
		return file->private_data;
	fput(file);
	return ERR_PTR(-EINVAL);
}

void testexp_importer_put(struct importer *importer)
{
	fput(importer->file);
}
