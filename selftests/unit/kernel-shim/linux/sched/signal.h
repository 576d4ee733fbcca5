/* SPDX-License-Identifier: GPL-2.0 */
/* As much of the kernel's header as runs.c needs; the test says when it is killed. */
#ifndef SHIM_LINUX_SCHED_SIGNAL_H
#define SHIM_LINUX_SCHED_SIGNAL_H

#ifdef __cplusplus
extern "C" {
#endif

#define current 0

int fatal_signal_pending(int task);

#ifdef __cplusplus
}
#endif

#endif /* SHIM_LINUX_SCHED_SIGNAL_H */
