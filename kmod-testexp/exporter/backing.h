/* SPDX-License-Identifier: GPL-2.0 */
/* What is behind a layout: asked for in extents, owned by the buffer. */
#ifndef TESTEXP_BACKING_H
#define TESTEXP_BACKING_H

#include "exporter/layout.h"
#include "exporter/memory.h"

/* Most extents of one buffer, repeats counted. */
#define BACKING_MAX_EXTENTS	1048576u

/**
 * struct backing - a layout and what it owns
 * @layout: where the pages are; its array belongs to the backing
 * @runs: the RAM, extent by extent as it was asked for
 * @nr_runs: entries of @runs
 * @max_runs: entries there is room for
 * @claims: what testexp_mmio_claim() returned, one for each MMIO extent that was asked for
 * @nr_claims: entries of @claims
 * @max_claims: entries there is room for
 * @charged_pages: RAM that counts against the module's limit; the arrays are charged apart
 * @has_alias: some RAM is in the layout more than once
 * @poisoned: nobody may access the RAM any more, and all of it says so
 */
struct backing {
	struct layout layout;
	struct memory_run *runs;
	u32 nr_runs;
	u32 max_runs;
	void __iomem **claims;
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
