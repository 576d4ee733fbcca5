/* SPDX-License-Identifier: GPL-2.0 */
/* The memory behind a layout: asked for in extents, owned by the buffer. */
#ifndef TESTEXP_BACKING_H
#define TESTEXP_BACKING_H

#include "layout.h"

/* Most extents of one buffer, repeats counted. */
#define BACKING_MAX_EXTENTS	1048576u

/**
 * struct backing - a layout and the memory charged for it
 * @layout: where the pages are; its array belongs to the backing
 * @charged_pages: what counts against the module's limit, metadata included
 * @poisoned: nobody may access the pages any more, and all of them say so
 */
struct backing {
	struct layout layout;
	u64 charged_pages;
	bool poisoned;
};

int backing_create(struct backing *backing, const struct testexp_extent *extents,
		   u32 nr_extents, bool scatter);
void backing_destroy(struct backing *backing);

bool backing_same_types(const struct backing *a, const struct backing *b);
int backing_copy(const struct backing *to, const struct backing *from);
void backing_poison(struct backing *backing);

int backing_charge(u64 nr_pages);
void backing_uncharge(u64 nr_pages);

int backing_init_limit(void);
u64 backing_max_pages(void);
u64 backing_used_pages(void);
u64 backing_poison_violations(void);

#endif /* TESTEXP_BACKING_H */
