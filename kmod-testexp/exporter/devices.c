// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/platform_device.h>

#include "exporter/devices.h"
#include "testexp_uapi.h"

static char importer_device[TESTEXP_DEVICE_LEN];
module_param_string(importer_device, importer_device, sizeof(importer_device), 0400);
MODULE_PARM_DESC(importer_device, "PCI device that importers attach, as 0000:00:10.0 (default: a platform device)");

/* One of the two. The platform device: DMA to all of memory, straight through. */
static struct platform_device *own_device;
static struct pci_dev *borrowed_device;

/**
 * devices_find_pci - look up a PCI device by its name
 * @name: as in sysfs, 0000:00:11.0
 * @separator: what follows the name before a number, or 0 when none does
 * @number: gets that number; may be NULL with no separator
 *
 * Return: the device with a reference, -EINVAL for a bad name, or -ENODEV.
 */
struct pci_dev *devices_find_pci(const char *name, char separator, int *number)
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

static int devices_borrow(void)
{
	struct pci_dev *pci = devices_find_pci(importer_device, 0, NULL);
	int ret;

	if (IS_ERR(pci)) {
		ret = PTR_ERR(pci);
		pr_err("importer_device=%s: %s\n", importer_device,
		       ret == -EINVAL ? "is not like 0000:00:10.0" : "no such device");
		return ret;
	}

	/* Its masks and limits are its driver's business. */
	ret = pci->dev.driver ? -EBUSY : dma_set_mask_and_coherent(&pci->dev, DMA_BIT_MASK(64));
	if (ret) {
		pr_err("importer_device=%s: %s\n", importer_device,
		       ret == -EBUSY ? "has a driver: unbind that" : "cannot do 64-bit DMA");
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

/* Return: 0 or a negative errno, with a line in the log for a bad parameter. */
int devices_init(void)
{
	return *importer_device ? devices_borrow() : devices_make();
}

void devices_exit(void)
{
	if (borrowed_device)
		pci_dev_put(borrowed_device);
	else
		platform_device_unregister(own_device);
}

/* What importers attach unless they want no device. */
struct device *devices_importer(void)
{
	return borrowed_device ? &borrowed_device->dev : &own_device->dev;
}
