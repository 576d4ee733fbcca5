/* SPDX-License-Identifier: GPL-2.0 */
/* The memory behind a layout. Callers ask for memory in extents, and the buffer owns the memory. */
#ifndef TESTEXP_BACKING_H
#define TESTEXP_BACKING_H

#include "exporter/layout.h"
#include "exporter/memory.h"

/* The largest number of extents of one buffer, counting repeats. */
#define BACKING_MAX_EXTENTS	1048576u

/**
 * struct backing - a layout and the memory behind it
 * @layout: where the pages are; the backing owns its array
 * @runs: the RAM, in the order of the extents that the caller asked for
 * @nr_runs: number of entries in @runs
 * @max_runs: number of entries that @runs has room for
 * @claims: results of testexp_mmio_claim(), one for each MMIO extent of the caller
 * @nr_claims: number of entries in @claims
 * @max_claims: number of entries that @claims has room for
 * @charged_pages: RAM that counts against the module's limit; the arrays are charged apart
 * @has_alias: some RAM is in the layout more than once
 * @poisoned: nobody may access the RAM any more, and every byte of it is poison
 */
struct backing {
	struct layout layout;
	struct memory_run *runs;
	u32 nr_runs;
	u32 max_runs;
	struct mmio_claim **claims;
	u32 nr_claims;
	u32 max_claims;
	u64 charged_pages;
	bool has_alias;
	bool poisoned;
};

int testexp_backing_create(struct backing *backing, const struct testexp_extent *extents,
			   u32 nr_extents, bool scatter);
void testexp_backing_destroy(struct backing *backing);

bool testexp_backing_has_type(const struct backing *backing, u32 type);
bool testexp_backing_has_attribute(const struct backing *backing, u32 attribute);
bool testexp_backing_same_kinds(const struct backing *a, const struct backing *b);
int testexp_backing_copy(const struct backing *to, const struct backing *from);
void testexp_backing_poison(struct backing *backing);
u64 testexp_backing_poison_violations(void);

#endif /* TESTEXP_BACKING_H */
