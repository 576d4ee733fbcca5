/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's short names, on top of what user space has of this header. */
#ifndef SHIM_LINUX_TYPES_H
#define SHIM_LINUX_TYPES_H

#include_next <linux/types.h>

#ifndef __cplusplus
#include <stdbool.h>
#endif
#include <stddef.h>

typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

#endif /* SHIM_LINUX_TYPES_H */
