/* SPDX-License-Identifier: GPL-2.0 */
/* As much of the kernel's header as layout.c needs, for building it natively. */
#ifndef SHIM_LINUX_BITOPS_H
#define SHIM_LINUX_BITOPS_H

/* Position of the highest set bit, counted from 1; 0 for 0. */
static inline int fls64(unsigned long long x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}


#endif /* SHIM_LINUX_BITOPS_H */
