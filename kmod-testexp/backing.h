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
 */
struct backing {
	struct layout layout;
	u64 charged_pages;
};

int backing_create(struct backing *backing, const struct testexp_extent *extents,
		   u32 nr_extents, bool scatter);
void backing_destroy(struct backing *backing);

int backing_init_limit(void);
u64 backing_max_pages(void);
u64 backing_used_pages(void);

#endif /* TESTEXP_BACKING_H */
