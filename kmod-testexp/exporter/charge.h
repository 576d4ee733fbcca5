/* SPDX-License-Identifier: GPL-2.0 */
/* Counting against a limit that all callers share. */
#ifndef TESTEXP_CHARGE_H
#define TESTEXP_CHARGE_H

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/types.h>

/**
 * charge_add - count more against a limit
 * @used: what is counted already, by all
 * @limit: most that may be counted
 * @nr: how many more
 *
 * A refused request is never counted, not even for a moment: it must not make a smaller
 * request beside it fail.
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

#endif /* TESTEXP_CHARGE_H */
