/* SPDX-License-Identifier: GPL-2.0 */
/* The macros of the kernel's header <linux/minmax.h> that layout.h uses. */
#ifndef SHIM_LINUX_MINMAX_H
#define SHIM_LINUX_MINMAX_H

static inline unsigned long long min(unsigned long long a, unsigned long long b)
{
	return a < b ? a : b;
}

#ifndef __cplusplus
#define swap(a, b) do { __typeof__(a) swapped = (a); (a) = (b); (b) = swapped; } while (0)
#endif

#endif /* SHIM_LINUX_MINMAX_H */
