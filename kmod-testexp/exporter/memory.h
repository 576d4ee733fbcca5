/* SPDX-License-Identifier: GPL-2.0 */
/* The memory that the module may hold, and physically contiguous runs of pages. */
#ifndef TESTEXP_MEMORY_H
#define TESTEXP_MEMORY_H

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/types.h>

#include "exporter/runs.h"

/**
 * charge_add - count a request against a limit
 * @used: the number that all callers have counted so far
 * @limit: largest value that @used may have
 * @nr: the number to add
 *
 * A request that is refused is not counted at any time, because it must not make a smaller
 * request at the same time fail.
 *
 * Return: 0 or -ENOSPC.
 */
static inline int charge_add(atomic64_t *used, u64 limit, u64 nr)
{
	s64 now = atomic64_read(used);

	do {
		if (nr > limit - now)
			return -ENOSPC;
	} while (!atomic64_try_cmpxchg(used, &now, now + nr));
	return 0;
}

int testexp_memory_init_limit(void);
u64 testexp_memory_max_pages(void);
u64 testexp_memory_used_pages(void);

int testexp_memory_charge(u64 nr_pages);
void testexp_memory_uncharge(u64 nr_pages);

void *testexp_memory_kvmalloc(size_t bytes);
void *testexp_memory_kvzalloc(size_t bytes);
void testexp_memory_kvfree(const void *room, size_t bytes);

int testexp_memory_alloc(struct memory_run *run, unsigned int align_order, u64 skew);
void testexp_memory_free(const struct memory_run *run);

#endif /* TESTEXP_MEMORY_H */
