// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fcntl.h>
#include <linux/module.h>

#include "compat.h"
#include "exporter.h"
#include "misuse.h"

static bool allow_misuse;
module_param(allow_misuse, bool, 0400);
MODULE_PARM_DESC(allow_misuse, "Let root make calls that the kernel answers with a WARNING");

bool misuse_allowed(void)
{
	return allow_misuse;
}

static struct sg_table *misuse_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction direction)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static void misuse_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			 enum dma_data_direction direction)
{
}

static int misuse_pin(struct dma_buf_attachment *attach)
{
	return 0;
}

static void misuse_unpin(struct dma_buf_attachment *attach)
{
}

static void misuse_release(struct dma_buf *dmabuf)
{
}

#ifdef TESTEXP_NATIVE
static int misuse_get_pfn(struct dma_buf_attachment *attach, pgoff_t pgoff,
			  u64 *pfn, int *max_order)
{
	return -EOPNOTSUPP;
}

/* So that an exporter without map is wrong for one reason only. */
#define MISUSE_GET_PFN	.get_pfn = misuse_get_pfn,
#else
#define MISUSE_GET_PFN
#endif

#define MISUSE_MAP	.map_dma_buf = misuse_map, .unmap_dma_buf = misuse_unmap
#define MISUSE_PIN	.pin = misuse_pin, .unpin = misuse_unpin

static const struct dma_buf_ops misuse_ops[TESTEXP_MISUSE_CASES] = {
	[TESTEXP_MISUSE_EXPORT_NOTHING] = {
		.release = misuse_release,
	},
	[TESTEXP_MISUSE_EXPORT_MAP_ONLY] = {
		.map_dma_buf = misuse_map, .release = misuse_release,
	},
	[TESTEXP_MISUSE_EXPORT_UNMAP_ONLY] = {
		.unmap_dma_buf = misuse_unmap, .release = misuse_release,
	},
	[TESTEXP_MISUSE_EXPORT_PIN_ONLY] = {
		MISUSE_MAP, .pin = misuse_pin, .release = misuse_release,
	},
	[TESTEXP_MISUSE_EXPORT_UNPIN_ONLY] = {
		MISUSE_MAP, .unpin = misuse_unpin, .release = misuse_release,
	},
	[TESTEXP_MISUSE_EXPORT_CACHE_PIN] = {
		MISUSE_MAP, MISUSE_PIN, .cache_sgt_mapping = true, .release = misuse_release,
	},
	[TESTEXP_MISUSE_EXPORT_CACHE_NO_MAP] = {
		MISUSE_GET_PFN .cache_sgt_mapping = true, .release = misuse_release,
	},
	[TESTEXP_MISUSE_EXPORT_NO_RELEASE] = {
		MISUSE_MAP,
	},
	[TESTEXP_MISUSE_EXPORT_NO_PRIV] = {
		MISUSE_MAP, .release = misuse_release,
	},
	[TESTEXP_MISUSE_EXPORT_GOOD] = {
		MISUSE_MAP, MISUSE_PIN, .release = misuse_release,
	},
};

static int misuse_export(u32 which)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.ops = misuse_ops + which;
	info.size = PAGE_SIZE;
	info.flags = O_CLOEXEC;
	info.priv = which == TESTEXP_MISUSE_EXPORT_NO_PRIV ? NULL : (void *)misuse_ops;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	dma_buf_put(dmabuf);
	return 0;
}

static int misuse_null_attach(bool unlocked)
{
	u64 pfn;
	int order;

	return unlocked ? testexp_get_pfn_unlocked(NULL, 0, &pfn, &order)
			: testexp_get_pfn(NULL, 0, &pfn, &order);
}

static int misuse_null_pfn_of(struct dma_buf_attachment *attach, bool unlocked)
{
	int order, ret;

	if (unlocked)
		return testexp_get_pfn_unlocked(attach, 0, NULL, &order);

	dma_resv_lock(attach->dmabuf->resv, NULL);
	ret = testexp_get_pfn(attach, 0, NULL, &order);
	dma_resv_unlock(attach->dmabuf->resv);
	return ret;
}

/* Return: 0 with *@result set, or why the call could not be made. */
static int misuse_null_pfn(struct device *dev, bool unlocked, int *result)
{
	struct testexp_extent extent = {
		.nr_pages = 1, .repeat = 1, .type = TESTEXP_EXTENT_RAM,
	};
	struct testexp_create args = { .nr_extents = 1 };
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	int ret = 0;

	dmabuf = exporter_create(&args, &extent);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	attach = dma_buf_attach(dmabuf, dev);
	if (IS_ERR(attach)) {
		ret = PTR_ERR(attach);
	} else {
		*result = misuse_null_pfn_of(attach, unlocked);
		dma_buf_detach(dmabuf, attach);
	}
	dma_buf_put(dmabuf);
	return ret;
}

static int misuse_call(u32 which, struct device *dev, int *result)
{
	switch (which) {
	case TESTEXP_MISUSE_NULL_ATTACH:
	case TESTEXP_MISUSE_NULL_ATTACH_UNLOCKED:
		*result = misuse_null_attach(which == TESTEXP_MISUSE_NULL_ATTACH_UNLOCKED);
		return 0;
	case TESTEXP_MISUSE_NULL_PFN:
	case TESTEXP_MISUSE_NULL_PFN_UNLOCKED:
		return misuse_null_pfn(dev, which == TESTEXP_MISUSE_NULL_PFN_UNLOCKED, result);
	default:
		*result = misuse_export(which);
		return 0;
	}
}

/**
 * misuse_run - make one wrong call
 * @which: enum testexp_misuse_case
 * @dev: device for the attachment some cases need
 * @result: set to what the call returned
 *
 * Return: 0 if the call was made, -EINVAL for an unknown case, -EPERM without
 * allow_misuse, or why the case could not be prepared.
 */
int misuse_run(u32 which, struct device *dev, int *result)
{
	int ret;

	if (which >= TESTEXP_MISUSE_CASES)
		return -EINVAL;
	if (!allow_misuse)
		return -EPERM;

	pr_info("expect-warning: begin\n");
	ret = misuse_call(which, dev, result);
	pr_info("expect-warning: end\n");
	return ret;
}
