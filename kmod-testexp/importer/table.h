/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page table of an importer: the PFNs that it has resolved and keeps, as the nested page
 * table of KVM or an IOMMU domain does.
 */
#ifndef TESTEXP_TABLE_H
#define TESTEXP_TABLE_H

#include <linux/mutex.h>
#include <linux/types.h>

/**
 * struct table - an entry for each of the first pages of a buffer
 * @making: held by the FILL that allocates @entries; nests outside @lock
 * @lock: nests inside the reservation lock. No memory is allocated under this lock, because
 *	fences are signalled under it
 * @entries: array of @nr_entries entries, or NULL before the first FILL; 0 is an empty entry
 * @nr_entries: number of pages of the buffer, at most TESTEXP_TABLE_PAGES
 * @seq: changed by move_notify; a PFN that was resolved before the change must not be
 *	installed
 * @notifies: number of calls of move_notify; for tests, no part of the protocol
 */
struct table {
	struct mutex making; /* keeps two FILLs from allocating two tables */
	struct mutex lock; /* guards all members below */
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
