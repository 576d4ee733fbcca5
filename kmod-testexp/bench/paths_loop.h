/* SPDX-License-Identifier: GPL-2.0 */
/* Code that the loops of the paths share. All of it is inlined, and most of it is timed. */
#ifndef TESTEXP_PATHS_LOOP_H
#define TESTEXP_PATHS_LOOP_H

#include <linux/math64.h>
#include <linux/minmax.h>

#include "bench/paths.h"
#include "importer/importer.h"

/* Records a result for DELIVER. Return: 0, or -ENOSPC when there is no room for it. */
static inline int resolve_note(struct resolve_run *run, u64 pgoff, u64 pfn, u64 nr_pages,
			       int max_order)
{
	const struct importer *importer = run->attach->importer_priv;

	if (run->nr_delivered == run->capacity)
		return -ENOSPC;
	run->delivered[run->nr_delivered++] = (struct testexp_delivered) {
		.pgoff = pgoff,
		.pfn = pfn,
		.nr_pages = nr_pages,
		.max_order = max_order,
		/* Read without a lock, so that a test finds a path that fails to hold its lock. */
		.notifies = READ_ONCE(importer->table.notifies),
	};
	return 0;
}

/*
 * Defines the functions run and deliver of a path. Both come from one inlined function
 * resolve_ops_NAME(run, ops, deliver), to which deliver is a constant. So the code that is timed
 * is the code whose results are tested, but it contains no instruction that records results.
 */
#define RESOLVE_LOOPS(_name)						\
static int resolve_run_##_name(struct resolve_run *run, u32 ops)	\
{									\
	return resolve_ops_##_name(run, ops, false);			\
}									\
static int resolve_deliver_##_name(struct resolve_run *run, u32 ops)	\
{									\
	return resolve_ops_##_name(run, ops, true);			\
}

/* Initialises the members run and deliver of a path with these two functions. */
#define RESOLVE_LOOPS_OF(_name)						\
	.run = resolve_run_##_name, .deliver = resolve_deliver_##_name

/* Resolves one page. The function is inlined where it is used, so no indirect call is timed. */
typedef int (*resolve_page_fn)(struct resolve_run *run, u64 pgoff, u64 *pfn, int *order);

static __always_inline void resolve_go_to(struct resolve_run *run, u64 pgoff)
{
	run->pgoff = pgoff;
	if (run->pgoff >= run->end)
		run->pgoff = run->first;
}

static __always_inline int resolve_by_stride(struct resolve_run *run, u32 ops,
					     resolve_page_fn page, bool deliver)
{
	int order = TESTEXP_UNTOUCHED_ORDER, ret;
	u64 stride = run->stride;
	u64 here, pgoff, stop, pfn;

	for (; ops; ops -= here) {
		/* The end of the window is computed once here, and not for each page. */
		here = min_t(u64, ops, DIV64_U64_ROUND_UP(run->end - run->pgoff, stride));
		stop = run->pgoff + here * stride;
		for (pgoff = run->pgoff; pgoff != stop; pgoff += stride) {
			ret = page(run, pgoff, &pfn, &order);
			if (ret)
				return ret;
			if (deliver && resolve_note(run, pgoff, pfn, 1, order))
				return -ENOSPC;
		}
		resolve_go_to(run, stop);
	}
	return 0;
}

/*
 * Knuth's multiplier and an odd increment: modulo any power of two, the generator returns each
 * value once before a value repeats. Its higher bits are more random than its lower bits, and
 * the higher bits of a pgoff select the extent.
 */
#define RESOLVE_LCG_MULTIPLIER	6364136223846793005ull
#define RESOLVE_LCG_INCREMENT	1442695040888963407ull

static __always_inline int resolve_at_random(struct resolve_run *run, u32 ops,
					     resolve_page_fn page, bool deliver)
{
	u64 mask = run->end - run->first - 1, first = run->first, position = run->position;
	int order = TESTEXP_UNTOUCHED_ORDER, ret;
	u64 pgoff, pfn;

	for (; ops; ops--) {
		pgoff = first + (position & mask);
		position = position * RESOLVE_LCG_MULTIPLIER + RESOLVE_LCG_INCREMENT;
		ret = page(run, pgoff, &pfn, &order);
		if (ret)
			return ret;
		if (deliver && resolve_note(run, pgoff, pfn, 1, order))
			return -ENOSPC;
	}
	run->position = position;
	return 0;
}

/* Resolves @ops pages, one per operation, in the sequence of the run. */
static __always_inline int resolve_pages(struct resolve_run *run, u32 ops, resolve_page_fn page,
					 bool deliver)
{
	run->pages += ops;
	if (run->is_random)
		return resolve_at_random(run, ops, page, deliver);
	return resolve_by_stride(run, ops, page, deliver);
}

#endif /* TESTEXP_PATHS_LOOP_H */
