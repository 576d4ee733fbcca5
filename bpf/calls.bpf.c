// SPDX-License-Identifier: GPL-2.0
/*
 * Times the calls of one kernel function. The loader opens this object once for each
 * function. It loads one pair of programs, by fentry/fexit or by kprobe/kretprobe. With a
 * filter it takes the return program that asks the filter.
 *
 * No kernel structure is read, so there is no vmlinux.h: the same object runs on every
 * kernel, with or without BTF.
 *
 * The benchmark case probe/ours counts what tracing adds to a call. docs/decisions.md
 * gives the reasons for this design.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <linux/stddef.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "calls.h"
#include "frame.bpf.h"
#include "record.bpf.h"

#define SLOTS_PER_FRAME	4

/* Only calls of this process; 0 means all. */
const volatile __u32 filter_tgid = 0;

/*
 * This object's own hash table. Its address is part of the program. Update and delete of a
 * map, or task storage, would cost several times the call that is measured.
 */
struct call in_flight[CALL_SLOTS];

/* Set by the loader while both programs are attached: else returns have no entry. */
__u32 complete;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct call_stats);
} stats SEC(".maps");

/* The key of the only element. It needs an address outside the stack. */
const volatile __u32 only = 0;

static __always_inline struct call_stats *this_cpu_stats(void)
{
	return bpf_map_lookup_elem(&stats, (const void *)&only);
}

static __always_inline int is_wanted(void)
{
	return !filter_tgid || filter_tgid == bpf_get_current_pid_tgid() >> 32;
}

/* The @way-th slot that may hold @frame. */
static __always_inline struct call *slot_of(__u64 frame, __u32 way)
{
	__u64 hash = frame * 0x9e3779b97f4a7c15ull >> (64 - CALL_SLOT_BITS);

	return &in_flight[(hash + way) % CALL_SLOTS];
}

/*
 * Counters are atomic, because a preempted entry program may share its CPU with a return
 * program of another task. The histogram has one writer per CPU, because the kernel does
 * not let a program interrupt itself.
 */
static __always_inline void count_unmatched(void)
{
	struct call_stats *cpu = this_cpu_stats();

	if (cpu)
		__sync_fetch_and_add(&cpu->unmatched, 1);
}

static __always_inline void count_lost(void)
{
	struct call_stats *cpu = this_cpu_stats();

	if (cpu)
		__sync_fetch_and_add(&cpu->lost, 1);
}

/*
 * A slot for @frame when the first slot is taken; NULL when all slots hold other calls.
 * Like find_other() not inlined: so the usual case needs fewer registers and no stack,
 * and six instructions less.
 */
static __noinline struct call *claim_other(__u64 frame)
{
	struct call *call;
	__u64 holds;
	__u32 way;

#pragma unroll
	for (way = 0; way < SLOTS_PER_FRAME; way++) {
		call = slot_of(frame, way);
		holds = __sync_val_compare_and_swap(&call->frame, 0, frame);
		if (!holds)
			return call;
		if (holds == frame) {
			/* Left by a call whose return was not seen. */
			count_unmatched();
			return call;
		}
	}
	count_lost();
	return NULL;
}

/* The clock is read last here and first at a return, so the time excludes this program. */
static __always_inline int on_entry(__u64 frame)
{
	struct call *call;
	__u64 holds;

	if (!is_wanted())
		return 0;

	call = slot_of(frame, 0);
	holds = __sync_val_compare_and_swap(&call->frame, 0, frame);
	barrier_var(holds); /* or a flag is made of it first */
	if (holds) {
		call = claim_other(frame);
		if (!call)
			return 0;
	}
	call->start_ns = bpf_ktime_get_ns();
	return 0;
}

static __noinline struct call *find_other(__u64 frame)
{
	__u32 way;

#pragma unroll
	for (way = 1; way < SLOTS_PER_FRAME; way++)
		if (slot_of(frame, way)->frame == frame)
			return slot_of(frame, way);
	if (complete)
		count_unmatched();
	return NULL;
}

/* From here on another call may use the slot. All reads of the slot come before. */
static __always_inline void release(struct call *call)
{
#ifdef __TARGET_ARCH_x86
	*(volatile __u64 *)&call->frame = 0; /* loads are not reordered with later stores */
#else
	__sync_lock_test_and_set(&call->frame, 0);
#endif
}

static __always_inline int on_return(__u64 frame, __u64 end_ns)
{
	struct call_stats *cpu;
	struct call *call;
	__u64 start_ns;

	call = slot_of(frame, 0);
	if (call->frame != frame) {
		call = find_other(frame);
		if (!call)
			return 0;
	}
	start_ns = *(volatile __u64 *)&call->start_ns;
	release(call);

	cpu = this_cpu_stats();
	if (cpu)
		record(&cpu->hist, end_ns - start_ns);
	return 0;
}

/*
 * One trampoline calls both programs of a call with the same context, which lies
 * on the task's stack: its address is the frame. The verifier forbids sums with a
 * pointer, but the distance to another one is a number.
 */
static __always_inline __u64 frame_of(const void *ctx)
{
	return (__u64)ctx - (__u64)&filter_tgid;
}

SEC("fentry")
int enter_fentry(void *ctx)
{
	return on_entry(frame_of(ctx));
}

SEC("fexit")
int return_fexit(void *ctx)
{
	__u64 end_ns = bpf_ktime_get_ns();

	barrier_var(ctx); /* or the frame would be found out before */
	return on_return(frame_of(ctx), end_ns);
}

/*
 * A call whose return was not seen leaves its slot. When its thread has ended, an excluded process
 * may get the kernel stack, and must not find the slot. return_fexit() does not ask, because even
 * without a filter the question costs an instruction.
 */
SEC("fexit")
int return_wanted_fexit(void *ctx)
{
	__u64 end_ns = bpf_ktime_get_ns();

	return is_wanted() ? on_return(frame_of(ctx), end_ns) : 0;
}

SEC("kprobe")
int enter_kprobe(struct pt_regs *ctx)
{
	return on_entry(frame_at_entry(ctx));
}

SEC("kretprobe")
int return_kretprobe(struct pt_regs *ctx)
{
	__u64 end_ns = bpf_ktime_get_ns();

	return on_return(frame_at_return(ctx), end_ns);
}

SEC("kretprobe")
int return_wanted_kretprobe(struct pt_regs *ctx)
{
	__u64 end_ns = bpf_ktime_get_ns();

	return is_wanted() ? on_return(frame_at_return(ctx), end_ns) : 0;
}

char LICENSE[] SEC("license") = "GPL";
