/* SPDX-License-Identifier: GPL-2.0 */
/* As much of the kernel's header as layout.h needs. */
#ifndef SHIM_LINUX_COMPILER_H
#define SHIM_LINUX_COMPILER_H

#define unlikely(x) __builtin_expect(!!(x), 0)

#endif /* SHIM_LINUX_COMPILER_H */
