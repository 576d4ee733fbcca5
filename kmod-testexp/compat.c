// SPDX-License-Identifier: GPL-2.0
/*
 * dma_buf_get_pfn() for kernels that do not have this function. The functions here keep the
 * contract of the kernel patch, including the order of the checks. Only buffers of this module
 * have a get_pfn callback; a buffer of another exporter gets -EINVAL, as from an exporter
 * without the callback.
 */
#include <linux/dma-resv.h>
#include <linux/module.h>

#include "compat.h"

/* The callbacks of every buffer that this module exports are in a struct testexp_ops. */
static const struct testexp_ops *compat_ops(const struct dma_buf *dmabuf)
{
	if (dmabuf->owner != THIS_MODULE)
		return NULL;
	return container_of(dmabuf->ops, struct testexp_ops, base);
}

testexp_get_pfn_fn testexp_get_pfn_op(const struct dma_buf *dmabuf)
{
	const struct testexp_ops *ops = compat_ops(dmabuf);

	return ops ? ops->get_pfn : NULL;
}

/*
 * Returns whether the contract lets the importer have PFNs: it hears of a move, or has pinned
 * the buffer. Before 6.16 attaching pins the buffer for a static importer, but a kernel without
 * MOVE_NOTIFY refuses all importers of a movable buffer. Since 6.16 only a mapping pins the
 * buffer for a static importer, and the pin of a mapping does not count.
 */
static bool compat_keeps_pfns(struct dma_buf_attachment *attach)
{
	if (!dma_buf_is_dynamic(attach->dmabuf))
		return true;
	if (TESTEXP_MAPS_AT_ATTACH)
		return TESTEXP_HAS_MOVE_NOTIFY;
	return (TESTEXP_HAS_MOVE_NOTIFY && testexp_attach_revocable(attach)) ||
	       (attach->importer_ops && attach->priv);
}

static int compat_get_pfn(struct dma_buf_attachment *attach, pgoff_t pgoff,
			  u64 *pfn, int *max_order)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	const struct testexp_ops *ops = compat_ops(dmabuf);
	int unused_order;

	dma_resv_assert_held(dmabuf->resv);

	if (!ops || !ops->get_pfn || pgoff >= dmabuf->size >> PAGE_SHIFT)
		return -EINVAL;

	if (!compat_keeps_pfns(attach))
		return -ENOENT;

	return ops->get_pfn(attach, pgoff, pfn, max_order ? max_order : &unused_order);
}

int testexp_get_pfn(struct dma_buf_attachment *attach, pgoff_t pgoff,
		    u64 *pfn, int *max_order)
{
	if (WARN_ON(!attach || !pfn))
		return -EINVAL;

	return compat_get_pfn(attach, pgoff, pfn, max_order);
}

int testexp_get_pfn_unlocked(struct dma_buf_attachment *attach, pgoff_t pgoff,
			     u64 *pfn, int *max_order)
{
	int ret;

	if (WARN_ON(!attach || !pfn))
		return -EINVAL;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	ret = compat_get_pfn(attach, pgoff, pfn, max_order);
	dma_resv_unlock(attach->dmabuf->resv);

	return ret;
}
