/* SPDX-License-Identifier: GPL-2.0 */
/* The devices that the module uses: the BAR of MMIO extents, and the device of importers. */
#ifndef TESTEXP_MMIO_H
#define TESTEXP_MMIO_H

#include <linux/types.h>

struct device;
struct mmio_claim;

int testexp_device_init(void);
void testexp_device_exit(void);
struct device *testexp_importer_device(void);

int testexp_mmio_init(void);
void testexp_mmio_exit(void);

const char *testexp_mmio_name(void);
u64 testexp_mmio_nr_pages(void);
u64 testexp_mmio_first_pfn(void);

struct mmio_claim *testexp_mmio_claim(u64 page, u64 nr_pages, u32 cache);
void testexp_mmio_release(struct mmio_claim *claim);

#endif /* TESTEXP_MMIO_H */
