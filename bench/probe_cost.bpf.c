// SPDX-License-Identifier: GPL-2.0
/*
 * What calls.bpf.c is compared with in the benchmark: programs that do nothing,
 * which is the least that any tracer costs, and the same work with the start
 * stamps in task storage.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <linux/stddef.h>

#include <bpf/bpf_helpers.h>

#include "calls.h"
#include "record.bpf.h"

#define NESTING	4u

/* A task's calls in flight, the outermost first. */
struct nested_calls {
	__u64 depth;
	__u64 start_ns[NESTING];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct nested_calls);
} in_flight SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct call_stats);
} stats SEC(".maps");

SEC("fentry")
int empty_fentry(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("fexit")
int empty_fexit(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("kprobe")
int empty_kprobe(struct pt_regs *ctx)
{
	(void)ctx;
	return 0;
}

SEC("kretprobe")
int empty_kretprobe(struct pt_regs *ctx)
{
	(void)ctx;
	return 0;
}

static __always_inline struct nested_calls *calls_of_task(__u64 flags)
{
	return bpf_task_storage_get(&in_flight, bpf_get_current_task_btf(), NULL, flags);
}

SEC("fentry")
int storage_fentry(void *ctx)
{
	struct nested_calls *calls = calls_of_task(BPF_LOCAL_STORAGE_GET_F_CREATE);
	__u64 depth;

	if (!ctx || !calls)
		return 0;
	depth = calls->depth++;
	barrier_var(depth);
	if (depth < NESTING)
		calls->start_ns[depth] = bpf_ktime_get_ns();
	return 0;
}

SEC("fexit")
int storage_fexit(void *ctx)
{
	__u64 end_ns = bpf_ktime_get_ns();
	struct nested_calls *calls = calls_of_task(0);
	struct call_stats *cpu;
	__u32 only = 0;
	__u64 depth;

	if (!ctx || !calls || !calls->depth)
		return 0;
	depth = --calls->depth;
	barrier_var(depth);
	cpu = bpf_map_lookup_elem(&stats, &only);
	if (cpu && depth < NESTING)
		record(&cpu->hist, end_ns - calls->start_ns[depth]);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
