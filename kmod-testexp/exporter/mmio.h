/* SPDX-License-Identifier: GPL-2.0 */
/* Devices that the module borrows: the BAR that MMIO extents are in, and what importers attach. */
#ifndef TESTEXP_MMIO_H
#define TESTEXP_MMIO_H

#include <linux/types.h>

struct device;

int devices_init(void);
void devices_exit(void);
struct device *devices_importer(void);

int mmio_init(void);
void mmio_exit(void);

const char *mmio_name(void);
u64 mmio_nr_pages(void);
u64 mmio_first_pfn(void);

void __iomem *mmio_claim(u64 page, u64 nr_pages, u32 cache);
void mmio_release(void __iomem *claim);

#endif /* TESTEXP_MMIO_H */
