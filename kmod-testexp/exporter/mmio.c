// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "exporter/devices.h"
#include "exporter/mmio.h"
#include "testexp_uapi.h"

static char mmio_bar[TESTEXP_DEVICE_LEN];
module_param_string(mmio_bar, mmio_bar, sizeof(mmio_bar), 0400);
MODULE_PARM_DESC(mmio_bar, "BAR for MMIO extents, as 0000:00:11.0/2 (default: none); no driver may have it");

static struct pci_dev *mmio_device;
static int mmio_number;

/* Opens the memory of a BAR that exists. */
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
	if (ret)
		pci_release_region(pci, number);
	return ret;
}

/* Return: 0, also when no BAR was asked for; -EINVAL, -ENODEV, -ENXIO or -EBUSY. */
int mmio_init(void)
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
	       ret == -EINVAL ? "is not like 0000:00:11.0/2" :
	       ret == -ENODEV ? "no such device" :
	       ret == -ENXIO ? "no memory BAR of a page or more" :
	       ret == -EBUSY ? "another driver has it: unbind that" : "cannot be enabled");
	return ret;
}

void mmio_exit(void)
{
	if (!mmio_device)
		return;
	pci_disable_device(mmio_device);
	pci_release_region(mmio_device, mmio_number);
	pci_dev_put(mmio_device);
}

/* As the parameter has it; empty without one. */
const char *mmio_name(void)
{
	return mmio_bar;
}

/* 0 without a BAR. */
u64 mmio_nr_pages(void)
{
	return mmio_device ? pci_resource_len(mmio_device, mmio_number) >> PAGE_SHIFT : 0;
}

u64 mmio_first_pfn(void)
{
	return pci_resource_start(mmio_device, mmio_number) >> PAGE_SHIFT;
}

/**
 * mmio_claim - settle how pages of the BAR are mapped
 * @page: the first, counted from the BAR's
 * @nr_pages: how many, all in the BAR
 * @cache: TESTEXP_CACHE_UC or TESTEXP_CACHE_WC
 *
 * Memory types that differ for the same page are trouble on x86; the kernel keeps a
 * table of those in use, and what a fault maps follows that table. A mapping of
 * its own is how a driver gets its pages in there.
 *
 * Return: to be given to mmio_release(), or -ENODEV, -ENXIO, -EBUSY, -ENOMEM.
 */
void __iomem *mmio_claim(u64 page, u64 nr_pages, u32 cache)
{
	phys_addr_t start;
	void __iomem *claim;

	if (!mmio_device)
		return IOMEM_ERR_PTR(-ENODEV);
	if (page >= mmio_nr_pages() || nr_pages > mmio_nr_pages() - page)
		return IOMEM_ERR_PTR(-ENXIO);

	start = PFN_PHYS(mmio_first_pfn() + page);
	claim = cache == TESTEXP_CACHE_WC ? ioremap_wc(start, nr_pages << PAGE_SHIFT) :
					    ioremap(start, nr_pages << PAGE_SHIFT);
	return claim ?: IOMEM_ERR_PTR(-EBUSY);
}

void mmio_release(void __iomem *claim)
{
	iounmap(claim);
}
