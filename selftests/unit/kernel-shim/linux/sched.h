/* SPDX-License-Identifier: GPL-2.0 */
/* As much of the kernel's header as runs.c needs; the test counts the calls. */
#ifndef SHIM_LINUX_SCHED_H
#define SHIM_LINUX_SCHED_H

#ifdef __cplusplus
extern "C" {
#endif

void cond_resched(void);

#ifdef __cplusplus
}
#endif

#endif /* SHIM_LINUX_SCHED_H */
