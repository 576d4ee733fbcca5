/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page table of an importer: the PFNs it has resolved and keeps, as KVM's
 * second stage or an IOMMU domain do.
 */
#ifndef TESTEXP_TABLE_H
#define TESTEXP_TABLE_H

#include <linux/mutex.h>
#include <linux/types.h>

/**
 * struct table - a place for each of the first pages of a buffer
 * @making: held by the FILL that allocates @entries; nests outside @lock
 * @lock: nests inside the reservation lock, and under it no
 *	memory is allocated, as fences are signalled under it
 * @entries: nr_entries of them, or NULL before the first use; 0 is an empty one
 * @nr_entries: pages of the buffer, at most TESTEXP_TABLE_PAGES
 * @seq: changed by move_notify: what was resolved before may not be installed
 * @notifies: calls of move_notify; for tests, no part of the protocol
 */
struct table {
	struct mutex making; /* so that two FILLs do not charge for two tables */
	struct mutex lock; /* guards all of it */
	u64 *entries;
	u32 nr_entries;
	u64 seq;
	u64 notifies;
};

void testexp_table_init(struct table *table);
void testexp_table_destroy(struct table *table);

void testexp_table_notify(struct table *table);
void testexp_table_drop_all(struct table *table);

#endif /* TESTEXP_TABLE_H */
