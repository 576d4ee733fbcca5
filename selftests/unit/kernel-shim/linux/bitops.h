/* SPDX-License-Identifier: GPL-2.0 */
/* As much of the kernel's header as layout.c needs, for building it natively. */
#ifndef SHIM_LINUX_BITOPS_H
#define SHIM_LINUX_BITOPS_H

#define BITS_PER_LONG 64

/* Position of the highest set bit, counted from 0; @x is not 0. */
static inline unsigned long __fls(unsigned long x) /* NOLINT: the kernel calls it that */
{
	return 63UL - (unsigned long)__builtin_clzl(x);
}

#endif /* SHIM_LINUX_BITOPS_H */
