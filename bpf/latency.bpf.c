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
#include <linux/errno.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "latency.h"

/* Calls in flight at once: threads inside the function, times its recursion. */
#define MAX_IN_FLIGHT	8192

/* A kprobe at entry sees the return address on the stack, a kretprobe does not. */
#ifdef __TARGET_ARCH_x86
#define RETURN_ADDRESS_BYTES	8
#else
#define RETURN_ADDRESS_BYTES	0
#endif

/* Only calls of this process; 0 means all. */
const volatile __u32 filter_tgid = 0;

/*
 * From the call's stack frame to its start in ns. Kernel stacks of live tasks do
 * not overlap, so the frame alone tells all calls in flight apart, nested calls
 * of one task included.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_IN_FLIGHT);
	__type(key, __u64);
	__type(value, __u64);
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
	__u64 unset = 0;
	__u64 *start;

	if (!cpu || !is_wanted())
		return 0;

	/* Overwrites what a call left that never returned to us. */
	bpf_map_update_elem(&in_flight, &frame, &unset, BPF_ANY);
	start = bpf_map_lookup_elem(&in_flight, &frame);
	if (!start) {
		__sync_fetch_and_add(&cpu->lost, 1);
		return 0;
	}
	__sync_fetch_and_add(&cpu->entered, 1);
	*start = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int on_return(__u64 frame)
{
	__u64 end = bpf_ktime_get_ns();
	struct latency_stats *cpu = this_cpu_stats();
	__u64 *start;

	if (!cpu || !is_wanted())
		return 0;

	start = bpf_map_lookup_elem(&in_flight, &frame);
	if (!start) {
		__sync_fetch_and_add(&cpu->unmatched, 1);
		return 0;
	}
	record(&cpu->hist, end - *start);
	bpf_map_delete_elem(&in_flight, &frame);
	return 0;
}

/*
 * One trampoline calls both programs of a call with the same context, which lies
 * on the task's stack: its address is the frame.
 */
SEC("fentry")
int enter_fentry(void *ctx)
{
	return on_entry((__u64)ctx);
}

SEC("fexit")
int return_fexit(void *ctx)
{
	return on_return((__u64)ctx);
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
