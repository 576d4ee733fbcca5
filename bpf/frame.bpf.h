/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a call stands on the stack, as a kprobe at its entry and a kretprobe see it. Kernel stacks
 * of live tasks do not overlap, so the frame tells all calls in flight apart, nested calls of one
 * task included.
 */
#ifndef FRAME_BPF_H
#define FRAME_BPF_H

#include <bpf/bpf_tracing.h>

/* A kprobe at entry sees the return address on the stack, a kretprobe does not. */
#ifdef __TARGET_ARCH_x86
#define RETURN_ADDRESS_BYTES	8
#else
#define RETURN_ADDRESS_BYTES	0
#endif

static __always_inline __u64 frame_at_entry(struct pt_regs *ctx)
{
	return PT_REGS_SP(ctx);
}

static __always_inline __u64 frame_at_return(struct pt_regs *ctx)
{
	return PT_REGS_SP(ctx) - RETURN_ADDRESS_BYTES;
}

#endif /* FRAME_BPF_H */
