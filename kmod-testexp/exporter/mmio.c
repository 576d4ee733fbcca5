// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "exporter/mmio.h"
#include "testexp_uapi.h"

/**
 * devices_find_pci - look up a PCI device by its name
 * @name: its name in sysfs, for instance 0000:00:11.0, perhaps with a separator and a number
 * @separator: the character between name and number, or 0 when there is no number
 * @number: is set to that number; may be NULL when @separator is 0
 *
 * Return: the device with a reference, -EINVAL for a bad name, or -ENODEV.
 */
static struct pci_dev *devices_find_pci(const char *name, char separator,
					int *number)
{
	unsigned int domain, bus, slot, function;
	int length = 0;
	struct pci_dev *pci;

	if (sscanf(name, "%x:%x:%x.%x%n", &domain, &bus, &slot, &function, &length) != 4 ||
	    bus > 0xff || slot > 0x1f || function > 7 || name[length] != separator)
		return ERR_PTR(-EINVAL);
	if (separator && kstrtoint(name + length + 1, 10, number))
		return ERR_PTR(-EINVAL);

	pci = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	return pci ?: ERR_PTR(-ENODEV);
}

/* --- the device that importers attach ------------------------------------------- */

static char importer_device[TESTEXP_DEVICE_LEN];
module_param_string(importer_device, importer_device, sizeof(importer_device), 0400);
MODULE_PARM_DESC(importer_device,
		 "PCI device that importers attach, as 0000:00:10.0 (default: a platform device)");

/* One of the two is set. The platform device reaches all memory, without an IOMMU. */
static struct platform_device *own_device;
static struct pci_dev *borrowed_device;

/* The limits that the device had before the module borrowed it. */
static struct {
	u64 dma_mask;
	u64 coherent_dma_mask;
	unsigned int max_seg_size;
} borrowed_limits;

static void devices_save_limits(const struct pci_dev *pci)
{
	borrowed_limits.dma_mask = pci->dma_mask;
	borrowed_limits.coherent_dma_mask = pci->dev.coherent_dma_mask;
	borrowed_limits.max_seg_size = pci->dma_parms.max_segment_size;
}

static void devices_restore_limits(struct pci_dev *pci)
{
	/* The device had these masks, so it can have them again. */
	dma_set_mask(&pci->dev, borrowed_limits.dma_mask);
	dma_set_coherent_mask(&pci->dev, borrowed_limits.coherent_dma_mask);
	dma_set_max_seg_size(&pci->dev, borrowed_limits.max_seg_size);
}

static int devices_borrow(void)
{
	struct pci_dev *pci = devices_find_pci(importer_device, 0, NULL);
	int ret;

	if (IS_ERR(pci)) {
		ret = PTR_ERR(pci);
		pr_err("importer_device=%s: %s\n", importer_device,
		       ret == -EINVAL ? "must look like 0000:00:10.0" : "no such device");
		return ret;
	}

	devices_save_limits(pci);
	/* The masks and limits of a device belong to its driver. */
	ret = pci->dev.driver ? -EBUSY : dma_set_mask_and_coherent(&pci->dev, DMA_BIT_MASK(64));
	if (ret) {
		pr_err("importer_device=%s: %s\n", importer_device,
		       ret == -EBUSY ? "the device has a driver; unbind the driver first" :
				       "the device cannot do 64-bit DMA");
		pci_dev_put(pci);
		return ret;
	}
	dma_set_max_seg_size(&pci->dev, UINT_MAX);
	borrowed_device = pci;
	return 0;
}

static int devices_make(void)
{
	int ret;

	own_device = platform_device_register_simple(TESTEXP_DEVICE_NAME, PLATFORM_DEVID_NONE,
						     NULL, 0);
	if (IS_ERR(own_device))
		return PTR_ERR(own_device);

	ret = dma_coerce_mask_and_coherent(&own_device->dev, DMA_BIT_MASK(64));
	if (ret) {
		platform_device_unregister(own_device);
		return ret;
	}
	dma_set_max_seg_size(&own_device->dev, UINT_MAX);
	return 0;
}

/* Return: 0 or a negative errno. The kernel log names a parameter that is wrong. */
int testexp_device_init(void)
{
	return *importer_device ? devices_borrow() : devices_make();
}

void testexp_device_exit(void)
{
	if (borrowed_device) {
		/* A driver that has bound the device since has chosen its own limits. */
		if (!borrowed_device->dev.driver)
			devices_restore_limits(borrowed_device);
		pci_dev_put(borrowed_device);
	} else {
		platform_device_unregister(own_device);
	}
}

/* Returns the device that importers attach. */
struct device *testexp_importer_device(void)
{
	return borrowed_device ? &borrowed_device->dev : &own_device->dev;
}

/* --- the BAR of MMIO extents ----------------------------------------------------- */

static char mmio_bar[TESTEXP_DEVICE_LEN];
module_param_string(mmio_bar, mmio_bar, sizeof(mmio_bar), 0400);
MODULE_PARM_DESC(mmio_bar,
		 "BAR for MMIO extents, as 0000:00:11.0/2 (default: none); no driver may have it");

static struct pci_dev *mmio_device;
static int mmio_number;

/* Requests and enables the memory of a BAR. */
static int mmio_open(struct pci_dev *pci, int number)
{
	int ret;

	if (!(pci_resource_flags(pci, number) & IORESOURCE_MEM) ||
	    pci_resource_len(pci, number) < PAGE_SIZE ||
	    !PAGE_ALIGNED(pci_resource_start(pci, number)))
		return -ENXIO;

	ret = pci_request_region(pci, number, KBUILD_MODNAME);
	if (ret)
		return ret;

	ret = pci_enable_device_mem(pci);
	if (ret) {
		pci_release_region(pci, number);
		return -EIO; /* the errnos of the PCI core mean other things here */
	}
	return 0;
}

/* Return: 0, also when the parameter is empty; -EINVAL, -ENODEV, -ENXIO, -EBUSY or -EIO. */
int testexp_mmio_init(void)
{
	struct pci_dev *pci;
	int ret;

	if (!*mmio_bar)
		return 0;

	pci = devices_find_pci(mmio_bar, '/', &mmio_number);
	if (IS_ERR(pci))
		ret = PTR_ERR(pci);
	else if (mmio_number < 0 || mmio_number >= PCI_STD_NUM_BARS)
		ret = -ENXIO;
	else
		ret = mmio_open(pci, mmio_number);

	if (!ret) {
		mmio_device = pci;
		return 0;
	}
	if (!IS_ERR(pci))
		pci_dev_put(pci);
	pr_err("mmio_bar=%s: %s\n", mmio_bar,
	       ret == -EINVAL ? "must look like 0000:00:11.0/2" :
	       ret == -ENODEV ? "no such device" :
	       ret == -ENXIO ? "the BAR has no memory, or less than a page" :
	       ret == -EBUSY ? "a driver uses this BAR; unbind the driver first" :
			       "the BAR cannot be enabled");
	return ret;
}

void testexp_mmio_exit(void)
{
	if (!mmio_device)
		return;
	pci_disable_device(mmio_device);
	pci_release_region(mmio_device, mmio_number);
	pci_dev_put(mmio_device);
}

/* Returns the value of the parameter mmio_bar, which may be empty. */
const char *testexp_mmio_name(void)
{
	return mmio_bar;
}

/* Returns the number of pages of the BAR, or 0 without a BAR. */
u64 testexp_mmio_nr_pages(void)
{
	return mmio_device ? pci_resource_len(mmio_device, mmio_number) >> PAGE_SHIFT : 0;
}

u64 testexp_mmio_first_pfn(void)
{
	return pci_resource_start(mmio_device, mmio_number) >> PAGE_SHIFT;
}

/**
 * struct mmio_claim - pages of the BAR that a buffer has
 * @node: entry in mmio_claims
 * @page: first page, counted from the first page of the BAR
 * @nr_pages: number of pages
 * @cache: TESTEXP_CACHE_UC or TESTEXP_CACHE_WC
 * @mapping: the mapping that tells the kernel of @cache
 */
struct mmio_claim {
	struct list_head node;
	u64 page;
	u64 nr_pages;
	u32 cache;
	void __iomem *mapping;
};

static DEFINE_MUTEX(mmio_lock); /* guards mmio_claims */
static LIST_HEAD(mmio_claims);

/*
 * Returns whether pages of the claim have another cache mode already. The kernel does not report
 * this: on x86 ioremap_wc() of pages that are uncached makes another uncached mapping.
 */
static bool mmio_is_in_conflict(const struct mmio_claim *claim)
{
	const struct mmio_claim *other;

	lockdep_assert_held(&mmio_lock);
	list_for_each_entry(other, &mmio_claims, node)
		if (other->cache != claim->cache && other->page < claim->page + claim->nr_pages &&
		    claim->page < other->page + other->nr_pages)
			return true;
	return false;
}

static void __iomem *mmio_map(const struct mmio_claim *claim)
{
	phys_addr_t start = PFN_PHYS(testexp_mmio_first_pfn() + claim->page);
	size_t length = claim->nr_pages << PAGE_SHIFT;

	return claim->cache == TESTEXP_CACHE_WC ? ioremap_wc(start, length) :
						  ioremap(start, length);
}

static int mmio_add(struct mmio_claim *claim)
{
	int ret = 0;

	mutex_lock(&mmio_lock);
	if (!mmio_is_in_conflict(claim))
		claim->mapping = mmio_map(claim);
	if (claim->mapping)
		list_add(&claim->node, &mmio_claims);
	else
		ret = -EBUSY;
	mutex_unlock(&mmio_lock);
	return ret;
}

/**
 * testexp_mmio_claim - choose the cache mode of pages of the BAR
 * @page: first page, counted from the first page of the BAR
 * @nr_pages: number of pages, all inside the BAR
 * @cache: TESTEXP_CACHE_UC or TESTEXP_CACHE_WC
 *
 * On x86 a page must not be mapped with two memory types. The kernel keeps a table of the types
 * in use, and a fault maps a page with the type from that table. A driver enters its pages into
 * the table by a mapping of its own.
 *
 * Return: a claim for testexp_mmio_release(), or -ENODEV, -ENXIO, -ENOMEM or -EBUSY. ioremap()
 * does not tell whether it had no memory, so this is -EBUSY as well.
 */
struct mmio_claim *testexp_mmio_claim(u64 page, u64 nr_pages, u32 cache)
{
	struct mmio_claim *claim;
	int ret;

	if (!mmio_device)
		return ERR_PTR(-ENODEV);
	if (page >= testexp_mmio_nr_pages() || nr_pages > testexp_mmio_nr_pages() - page)
		return ERR_PTR(-ENXIO);

	claim = kzalloc(sizeof(*claim), GFP_KERNEL_ACCOUNT);
	if (!claim)
		return ERR_PTR(-ENOMEM);
	claim->page = page;
	claim->nr_pages = nr_pages;
	claim->cache = cache;
	ret = mmio_add(claim);
	if (!ret)
		return claim;
	kfree(claim);
	return ERR_PTR(ret);
}

void testexp_mmio_release(struct mmio_claim *claim)
{
	mutex_lock(&mmio_lock);
	list_del(&claim->node);
	iounmap(claim->mapping);
	mutex_unlock(&mmio_lock);
	kfree(claim);
}
