/* SPDX-License-Identifier: GPL-2.0 */
/* A buffer as a list of physical ranges, handed over at once by its exporter. */
#ifndef TESTEXP_PHYS_LIST_H
#define TESTEXP_PHYS_LIST_H

#include <linux/dma-buf.h>

/**
 * struct phys_range - physically contiguous memory
 * @address: physical address
 * @length_bytes: its length, a multiple of the page size
 */
struct phys_range {
	u64 address;
	u64 length_bytes;
};

/**
 * struct phys_list - all of a buffer, in the order of its pages
 * @nr_ranges: entries of @ranges
 * @ranges: where it is
 */
struct phys_list {
	u32 nr_ranges;
	struct phys_range ranges[];
};

struct phys_list *phys_list_make(struct dma_buf *dmabuf);
void phys_list_free(const struct phys_list *list);

#endif /* TESTEXP_PHYS_LIST_H */
