// SPDX-License-Identifier: GPL-2.0
/*
 * A toy exporter, for docs/your-own-exporter.md. ioctl(TOY_NEW_BUFFER) of /dev/toy_exporter returns
 * a dma-buf of three blocks of pages.
 */
#include <linux/cc_platform.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#define TOY_NEW_BUFFER _IO('T', 1)

static const unsigned int orders[] = { 4, 9, 0 };
#define NR_BLOCKS ARRAY_SIZE(orders)
#define NR_PAGES (16 + 512 + 1)

struct toy {
	struct page *blocks[NR_BLOCKS];
};

/* Finds the block that has this page, and the first page of the block in the buffer. */
static unsigned int toy_find(pgoff_t pgoff, pgoff_t *start)
{
	unsigned int i = 0;

	for (*start = 0; pgoff >= *start + (1UL << orders[i]); i++)
		*start += 1UL << orders[i];
	return i;
}

static int toy_get_pfn(struct dma_buf_attachment *attach, pgoff_t pgoff, u64 *pfn, int *max_order)
{
	struct toy *toy = attach->dmabuf->priv;
	pgoff_t start;
	unsigned int i = toy_find(pgoff, &start);
	pgoff_t end = start + (1UL << orders[i]);

	*pfn = page_to_pfn(toy->blocks[i]) + pgoff - start;
	*max_order = dma_buf_pfn_max_order(pgoff, *pfn, start, end);
	return 0;
}

static int toy_get_pfn_attrs(struct dma_buf_attachment *attach, pgoff_t pgoff,
			     struct dma_buf_pfn_attrs *attrs)
{
	*attrs = (struct dma_buf_pfn_attrs){
		.type = DMA_BUF_PFN_RAM,
		.cache = DMA_BUF_PFN_WB,
		.encrypted = cc_platform_has(CC_ATTR_MEM_ENCRYPT),
	};
	return 0;
}

static struct sg_table *toy_map(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct toy *toy = attach->dmabuf->priv;
	struct sg_table *sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	struct scatterlist *sg;
	int i, ret;

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = sg_alloc_table(sgt, NR_BLOCKS, GFP_KERNEL);
	if (ret)
		goto free_sgt;
	for_each_sgtable_sg(sgt, sg, i)
		sg_set_page(sg, toy->blocks[i], PAGE_SIZE << orders[i], 0);
	ret = dma_map_sgtable(attach->dev, sgt, dir, 0);
	if (!ret)
		return sgt;
	sg_free_table(sgt);
free_sgt:
	kfree(sgt);
	return ERR_PTR(ret);
}

static void toy_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		      enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static int toy_mmap(struct dma_buf *buf, struct vm_area_struct *vma)
{
	struct toy *toy = buf->priv;
	unsigned long address;
	pgoff_t pgoff = vma->vm_pgoff, start;
	int ret = 0;

	for (address = vma->vm_start; address < vma->vm_end && !ret; address += PAGE_SIZE) {
		unsigned int i = toy_find(pgoff, &start);

		ret = remap_pfn_range(vma, address, page_to_pfn(toy->blocks[i]) + pgoff++ - start,
				      PAGE_SIZE, vma->vm_page_prot);
	}
	return ret;
}

static void toy_free(struct toy *toy)
{
	unsigned int i;

	for (i = 0; i < NR_BLOCKS; i++)
		if (toy->blocks[i])
			__free_pages(toy->blocks[i], orders[i]);
	kfree(toy);
}

static void toy_release(struct dma_buf *buf)
{
	toy_free(buf->priv);
}

static const struct dma_buf_ops toy_ops = {
	.get_pfn = toy_get_pfn,
	.get_pfn_attrs = toy_get_pfn_attrs,
	.map_dma_buf = toy_map,
	.unmap_dma_buf = toy_unmap,
	.mmap = toy_mmap,
	.release = toy_release,
};

static struct toy *toy_alloc(void)
{
	struct toy *toy = kzalloc(sizeof(*toy), GFP_KERNEL);
	unsigned int i;

	for (i = 0; toy && i < NR_BLOCKS; i++) {
		toy->blocks[i] = alloc_pages(GFP_KERNEL | __GFP_ZERO, orders[i]);
		if (!toy->blocks[i]) {
			toy_free(toy);
			return NULL;
		}
	}
	return toy;
}

static long toy_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *buf;
	struct toy *toy;
	int fd;

	if (cmd != TOY_NEW_BUFFER)
		return -ENOTTY;
	toy = toy_alloc();
	if (!toy)
		return -ENOMEM;
	info.ops = &toy_ops;
	info.size = NR_PAGES << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = toy;
	buf = dma_buf_export(&info);
	if (IS_ERR(buf)) {
		toy_free(toy);
		return PTR_ERR(buf);
	}
	fd = dma_buf_fd(buf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(buf);
	return fd;
}

static const struct file_operations toy_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = toy_ioctl,
};

static struct miscdevice toy_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "toy_exporter",
	.fops = &toy_fops,
};

module_misc_device(toy_device);

MODULE_DESCRIPTION("Toy exporter of dma-bufs, for dmabuf-check");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
