// SPDX-License-Identifier: GPL-2.0
/*
 * Times the calls of one kernel function. The loader opens this object once for
 * each function, so nothing here knows how many there are; it loads either the
 * fentry/fexit or the kprobe/kretprobe pair and removes the other.
 *
 * No kernel structure is read, hence no vmlinux.h: the same object runs on every
 * kernel, with or without BTF.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <linux/stddef.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "latency.h"

/*
 * Calls in flight at once: threads inside the function, times its recursion. Far
 * more than there will be, so that a call finds a free slot among its few.
 */
#define SLOT_BITS	13
#define SLOTS		(1u << SLOT_BITS)
#define SLOTS_PER_FRAME	4

/* A kprobe at entry sees the return address on the stack, a kretprobe does not. */
#ifdef __TARGET_ARCH_x86
#define RETURN_ADDRESS_BYTES	8
#else
#define RETURN_ADDRESS_BYTES	0
#endif

/* Only calls of this process; 0 means all. */
const volatile __u32 filter_tgid = 0;

/**
 * struct call - a call in flight
 * @frame: where it stands on the stack; 0 marks a free slot. Kernel stacks of
 *	live tasks do not overlap, so the frame alone tells all calls in flight
 *	apart, nested calls of one task included.
 * @start_ns: when it began
 */
struct call {
	__u64 frame;
	__u64 start_ns;
};

/*
 * A hash table of our own: the lookup in an array is compiled into the program,
 * where a hash map's update and delete cost several times what is measured.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct call);
} in_flight SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct latency_stats);
} stats SEC(".maps");

static __always_inline struct latency_stats *this_cpu_stats(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&stats, &only);
}

static __always_inline int is_wanted(void)
{
	return !filter_tgid || filter_tgid == bpf_get_current_pid_tgid() >> 32;
}

/*
 * testexp_hist_add() with the bound that the verifier cannot derive. 64 bits and
 * the barrier make the compiler check the very register that it then uses.
 */
static __always_inline void record(struct testexp_hist *hist, __u64 value)
{
	__u64 index = testexp_hist_index(value);

	barrier_var(index);
	if (index >= TESTEXP_HIST_BUCKETS)
		return;

	hist->count++;
	hist->sum += value;
	if (value < hist->min)
		hist->min = value;
	if (value > hist->max)
		hist->max = value;
	hist->buckets[index]++;
}

/* The @way-th slot that may hold @frame; never NULL, but the verifier wants that checked. */
static __always_inline struct call *slot_of(__u64 frame, __u32 way)
{
	__u32 hash = frame * 0x9e3779b97f4a7c15ull >> (64 - SLOT_BITS);
	__u32 index = (hash + way) % SLOTS;

	return bpf_map_lookup_elem(&in_flight, &index);
}

/* The call at @frame, or NULL. */
static __always_inline struct call *find_call(__u64 frame)
{
	struct call *call;
	__u32 way;

#pragma unroll
	for (way = 0; way < SLOTS_PER_FRAME; way++) {
		call = slot_of(frame, way);
		if (call && call->frame == frame)
			return call;
	}
	return NULL;
}

/* A slot for @frame, or NULL when all of its slots hold other calls. */
static __always_inline struct call *claim_call(__u64 frame)
{
	struct call *call;
	__u32 way;

	/* Left over by a call that never returned to us. */
	call = find_call(frame);
	if (call)
		return call;

#pragma unroll
	for (way = 0; way < SLOTS_PER_FRAME; way++) {
		call = slot_of(frame, way);
		if (call && !call->frame && !__sync_val_compare_and_swap(&call->frame, 0, frame))
			return call;
	}
	return NULL;
}

/*
 * The clock is read last here and first in on_return(), so that the work of this
 * program is outside what it measures.
 *
 * Counters are atomic, as a preempted entry program may share its CPU with a
 * return program of another task. The histogram has one writer per CPU: the
 * kernel does not let a program interrupt itself.
 */
static __always_inline int on_entry(__u64 frame)
{
	struct latency_stats *cpu = this_cpu_stats();
	struct call *call;

	if (!cpu || !is_wanted())
		return 0;

	call = claim_call(frame);
	if (!call) {
		__sync_fetch_and_add(&cpu->lost, 1);
		return 0;
	}
	__sync_fetch_and_add(&cpu->entered, 1);
	call->start_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int on_return(__u64 frame)
{
	__u64 end_ns = bpf_ktime_get_ns();
	struct latency_stats *cpu = this_cpu_stats();
	struct call *call;

	if (!cpu || !is_wanted())
		return 0;

	call = find_call(frame);
	if (!call) {
		__sync_fetch_and_add(&cpu->unmatched, 1);
		return 0;
	}
	record(&cpu->hist, end_ns - call->start_ns);
	/* From here on the slot may be another call's. */
	__sync_lock_test_and_set(&call->frame, 0);
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
	return on_return(frame_of(ctx));
}

SEC("kprobe")
int enter_kprobe(struct pt_regs *ctx)
{
	return on_entry(PT_REGS_SP(ctx));
}

SEC("kretprobe")
int return_kretprobe(struct pt_regs *ctx)
{
	return on_return(PT_REGS_SP(ctx) - RETURN_ADDRESS_BYTES);
}

char LICENSE[] SEC("license") = "GPL";
