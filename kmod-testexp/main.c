// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/stringify.h>
#include <linux/uaccess.h>

#include "bench/clock.h"
#include "bench/contend.h"
#include "bench/measure.h"
#include "exporter/backing.h"
#include "exporter/exporter.h"
#include "exporter/fence.h"
#include "exporter/memory.h"
#include "exporter/mmio.h"
#include "importer/importer.h"
#include "importer/walk.h"
#include "compat.h"
#include "ioctl.h"
#include "misuse.h"

static int control_open(struct inode *inode, struct file *file)
{
	/* PFNs are secrets. Somebody may have changed the mode of the device node. */
	return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

static u32 control_features(void)
{
	u32 features = 0;

	if (TESTEXP_IS_NATIVE)
		features |= TESTEXP_FEAT_NATIVE | TESTEXP_FEAT_NO_DEVICE | TESTEXP_FEAT_NO_MAP;
	if (TESTEXP_MAP_IS_LOCKED)
		features |= TESTEXP_FEAT_MAP_LOCKED;
	if (TESTEXP_HAS_MOVE_NOTIFY)
		features |= TESTEXP_FEAT_MOVE_NOTIFY;
	if (TESTEXP_NOTIFY_IS_OPTIONAL)
		features |= TESTEXP_FEAT_NO_NOTIFY;
	if (TESTEXP_MAPS_AT_ATTACH)
		features |= TESTEXP_FEAT_MAPS_AT_ATTACH;
	if (TESTEXP_HAS_PFN_ATTRS)
		features |= TESTEXP_FEAT_PFN_ATTRS;
	if (TESTEXP_REVOKE_WAITS_FOR_UNMAP)
		features |= TESTEXP_FEAT_REVOKE_UNMAPS;
	if (IS_ENABLED(CONFIG_DMABUF_DEBUG))
		features |= TESTEXP_FEAT_DMABUF_DEBUG;
	if (IS_ENABLED(CONFIG_PROVE_LOCKING))
		features |= TESTEXP_FEAT_LOCKDEP;
	if (IS_ENABLED(CONFIG_KASAN))
		features |= TESTEXP_FEAT_KASAN;
	if (TESTEXP_HAS_WALK)
		features |= TESTEXP_FEAT_WALK;
	if (TESTEXP_HAS_HUGE_FAULT)
		features |= TESTEXP_FEAT_HUGE;
	if (testexp_misuse_allowed())
		features |= TESTEXP_FEAT_MISUSE;
	return features;
}

static int control_info(struct testexp_call *call)
{
	struct testexp_info *info = call->args;
	u32 size = info->size;

	if (info->reserved)
		return -EINVAL;

	*info = (struct testexp_info) {
		.size = size,
		.abi_version = TESTEXP_ABI_VERSION,
		.features = control_features(),
		.page_shift = PAGE_SHIFT,
		.max_page_order = TESTEXP_MAX_PAGE_ORDER,
		.max_extents = BACKING_MAX_EXTENTS,
		.nr_buffers = testexp_nr_buffers(),
		.nr_importers = testexp_nr_importers(),
		.max_pages = testexp_memory_max_pages(),
		.used_pages = testexp_memory_used_pages(),
		.clock_khz = testexp_clock_khz(),
		.get_pfn_symbol = __stringify(testexp_get_pfn),
		.get_pfn_unlocked_symbol = __stringify(testexp_get_pfn_unlocked),
		.poison_violations = testexp_backing_poison_violations(),
		.mmio_pages = testexp_mmio_nr_pages(),
	};
	strscpy(info->mmio_bar, testexp_mmio_name(), sizeof(info->mmio_bar));
	strscpy(info->importer_device, dev_name(testexp_importer_device()),
		sizeof(info->importer_device));
	return testexp_respond(call);
}

/*
 * Gives the caller a descriptor for @file and consumes the reference of @file. The number is
 * stored in *@fd and copied to the caller before the descriptor becomes valid. So no descriptor
 * is left open when the caller's pointer is bad.
 */
static int control_respond_fd(const struct testexp_call *call, struct file *file, s32 *fd)
{
	int ret = get_unused_fd_flags(O_CLOEXEC);

	if (ret < 0)
		goto err_file;

	*fd = ret;
	ret = testexp_respond(call);
	if (ret)
		goto err_fd;

	fd_install(*fd, file);
	return 0;

err_fd:
	put_unused_fd(*fd);
err_file:
	fput(file);
	return ret;
}

static size_t control_extents_bytes(u32 nr_extents)
{
	return array_size(nr_extents, sizeof(struct testexp_extent));
}

static void control_put_extents(const struct testexp_extent *extents, u32 nr_extents)
{
	testexp_memory_kvfree(extents, control_extents_bytes(nr_extents));
}

/* Copies the caller's extents. control_put_extents() frees the copy. */
static struct testexp_extent *control_get_extents(u64 user_extents, u32 nr_extents)
{
	struct testexp_extent *extents;

	if (!nr_extents)
		return ERR_PTR(-EINVAL);
	if (nr_extents > BACKING_MAX_EXTENTS)
		return ERR_PTR(-ENOSPC);

	extents = testexp_memory_kvmalloc(control_extents_bytes(nr_extents));
	if (IS_ERR(extents))
		return extents;
	if (copy_from_user(extents, u64_to_user_ptr(user_extents),
			   control_extents_bytes(nr_extents))) {
		control_put_extents(extents, nr_extents);
		return ERR_PTR(-EFAULT);
	}
	return extents;
}

static int control_create(struct testexp_call *call)
{
	struct testexp_create *args = call->args;
	struct testexp_extent *extents;
	struct dma_buf *dmabuf;

	if (args->reserved || args->inject & ~TESTEXP_INJECT_ALL)
		return -EINVAL;

	extents = control_get_extents(args->extents, args->nr_extents);
	if (IS_ERR(extents))
		return PTR_ERR(extents);

	dmabuf = testexp_exporter_create(args, extents);
	control_put_extents(extents, args->nr_extents);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	return control_respond_fd(call, dmabuf->file, &args->fd);
}

static int control_stats(struct testexp_call *call)
{
	struct testexp_stats *args = call->args;
	struct dma_buf *dmabuf = dma_buf_get(args->fd);
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	ret = testexp_exporter_stats(dmabuf, args);
	dma_buf_put(dmabuf);
	return ret ? ret : testexp_respond(call);
}

/* Serves an ioctl whose struct only names the buffer. */
static int control_tell(s32 fd, u32 reserved, int (*tell)(struct dma_buf *dmabuf))
{
	struct dma_buf *dmabuf;
	int ret;

	if (reserved)
		return -EINVAL;

	dmabuf = dma_buf_get(fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	ret = tell(dmabuf);
	dma_buf_put(dmabuf);
	return ret;
}

static int control_revoke(struct testexp_call *call)
{
	const struct testexp_revoke *args = call->args;

	return control_tell(args->fd, args->reserved, testexp_exporter_revoke);
}

static int control_restore(struct testexp_call *call)
{
	const struct testexp_restore *args = call->args;

	return control_tell(args->fd, args->reserved, testexp_exporter_restore);
}

static int control_move(struct testexp_call *call)
{
	const struct testexp_move *args = call->args;
	struct testexp_extent *extents;
	struct dma_buf *dmabuf;
	int ret;

	if (args->reserved || args->timeout_ms > TESTEXP_WAIT_MS)
		return -EINVAL;

	dmabuf = dma_buf_get(args->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	extents = control_get_extents(args->extents, args->nr_extents);
	if (IS_ERR(extents)) {
		ret = PTR_ERR(extents);
		goto put;
	}
	ret = testexp_exporter_move(dmabuf, args, extents);
	control_put_extents(extents, args->nr_extents);
put:
	dma_buf_put(dmabuf);
	return ret;
}

static int control_attach(struct testexp_call *call)
{
	struct testexp_attach *args = call->args;
	struct device *dev = testexp_importer_device();
	struct dma_buf *dmabuf;
	struct file *file;

	if (args->flags & (TESTEXP_ATTACH_FENCE | TESTEXP_ATTACH_PIN | TESTEXP_ATTACH_NO_P2P |
			   TESTEXP_ATTACH_NO_NOTIFY | TESTEXP_ATTACH_ASK) &&
	    !(args->flags & TESTEXP_ATTACH_DYNAMIC))
		return -EINVAL;
	if (args->flags & TESTEXP_ATTACH_NO_NOTIFY) {
		if (args->flags & (TESTEXP_ATTACH_FENCE | TESTEXP_ATTACH_NO_P2P |
				   TESTEXP_ATTACH_ASK))
			return -EINVAL;
		/* A kernel where the callback is mandatory warns. */
		if (!TESTEXP_NOTIFY_IS_OPTIONAL)
			return -EOPNOTSUPP;
	}
	if (args->flags & TESTEXP_ATTACH_NO_DEVICE) {
		/* A kernel that is not native warns when the device is NULL. */
		if (!TESTEXP_IS_NATIVE)
			return -EOPNOTSUPP;
		dev = NULL;
	}

	dmabuf = dma_buf_get(args->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	file = testexp_importer_create(dmabuf, dev, args->flags, &testexp_measure_ioctls);
	dma_buf_put(dmabuf);
	if (IS_ERR(file))
		return PTR_ERR(file);
	return control_respond_fd(call, file, &args->importer_fd);
}

static int control_contend(struct testexp_call *call)
{
	struct testexp_contend *args = call->args;
	struct file *file = testexp_contention_create(args);

	if (IS_ERR(file))
		return PTR_ERR(file);
	return control_respond_fd(call, file, &args->contention_fd);
}

static int control_walk(struct testexp_call *call)
{
	return testexp_walk_run(call->args);
}

static int control_misuse(struct testexp_call *call)
{
	struct testexp_misuse *args = call->args;
	int ret = testexp_misuse_run(args, testexp_importer_device());

	return ret ? ret : testexp_respond(call);
}

static const struct testexp_ioctl control_rows[] = {
	TESTEXP_IOCTL(TESTEXP_IOC_INFO, struct testexp_info, get_pfn_unlocked_symbol,
		      0, control_info),
	TESTEXP_IOCTL(TESTEXP_IOC_CREATE, struct testexp_create, reserved,
		      TESTEXP_CREATE_FLAGS, control_create),
	TESTEXP_IOCTL(TESTEXP_IOC_STATS, struct testexp_stats, get_pfns, 0, control_stats),
	TESTEXP_IOCTL(TESTEXP_IOC_REVOKE, struct testexp_revoke, reserved, 0, control_revoke),
	TESTEXP_IOCTL(TESTEXP_IOC_ATTACH, struct testexp_attach, importer_fd,
		      TESTEXP_ATTACH_FLAGS, control_attach),
	TESTEXP_IOCTL(TESTEXP_IOC_MOVE, struct testexp_move, reserved, TESTEXP_MOVE_FLAGS,
		      control_move),
	TESTEXP_IOCTL(TESTEXP_IOC_RESTORE, struct testexp_restore, reserved, 0, control_restore),
	TESTEXP_IOCTL(TESTEXP_IOC_WALK, struct testexp_walk, results, TESTEXP_WALK_FLAGS,
		      control_walk),
	TESTEXP_IOCTL(TESTEXP_IOC_CONTEND, struct testexp_contend, contention_fd, 0,
		      control_contend),
	TESTEXP_IOCTL(TESTEXP_IOC_MISUSE, struct testexp_misuse, result,
		      TESTEXP_EXPORT_FLAGS, control_misuse),
};

static const struct testexp_ioctls control_ioctls = {
	.rows = control_rows,
	.nr_rows = ARRAY_SIZE(control_rows),
};

static long control_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return testexp_ioctl(&control_ioctls, NULL, cmd, (void __user *)arg);
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.open = control_open,
	.unlocked_ioctl = control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice control_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = TESTEXP_DEVICE_NAME,
	.fops = &control_fops,
	.mode = 0600,
};

static int __init testexp_init(void)
{
	int ret;

	ret = testexp_memory_init_limit();
	if (ret) {
		pr_err("max_pages=%llu: this machine has fewer pages\n",
		       testexp_memory_max_pages());
		return ret;
	}

	ret = testexp_device_init();
	if (ret)
		return ret;

	ret = testexp_mmio_init();
	if (ret)
		goto err_devices;

	ret = misc_register(&control_device);
	if (ret)
		goto err_mmio;

	pr_info("%s get_pfn, ABI %d\n", TESTEXP_IS_NATIVE ? "native" : "compat",
		TESTEXP_ABI_VERSION);
	return 0;

err_mmio:
	testexp_mmio_exit();
err_devices:
	testexp_device_exit();
	return ret;
}
module_init(testexp_init);

static void __exit testexp_exit(void)
{
	misc_deregister(&control_device);
	testexp_mmio_exit();
	testexp_device_exit();
	testexp_fence_exit();

	/* Each object holds a reference of the module, so no object and no charge is left. */
	WARN_ON(testexp_nr_buffers() || testexp_nr_importers() || testexp_memory_used_pages());
}
module_exit(testexp_exit);

MODULE_DESCRIPTION("Test exporter and importer for dma_buf_get_pfn()");
MODULE_LICENSE("GPL");
TESTEXP_IMPORT_DMA_BUF();
