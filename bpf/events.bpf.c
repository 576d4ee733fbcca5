// SPDX-License-Identifier: GPL-2.0
/*
 * Counts exports, attachments and their ends by the dma-buf tracepoints of Linux 7.3. A tracepoint
 * runs once in a call that succeeds, so it tells how often and of which buffer, but not how long
 * the call took. The time between attach and detach is known.
 *
 * The kernel calls these programs with a spinlock held, so no other program runs on the CPU
 * meanwhile, and a CPU's statistics have one writer.
 */
#include <linux/bpf.h>
#include <linux/stddef.h>

#include <bpf/bpf_helpers.h>

#include "dmabuf.bpf.h"
#include "events.h"
#include "record.bpf.h"

/* Only events of this process; 0 means all. */
const volatile __u32 filter_tgid = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_stats);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_ATTACHED);
	__type(key, __u64);   /* address of the attachment */
	__type(value, __u64); /* when it began */
} attached SEC(".maps");

static __always_inline struct event_stats *this_cpu_stats(void)
{
	const __u32 only = 0;

	return bpf_map_lookup_elem(&stats, &only);
}

static __always_inline int is_wanted(void)
{
	return !filter_tgid || filter_tgid == bpf_get_current_pid_tgid() >> 32;
}

static __always_inline void record_size(enum event_hist which, const struct dma_buf *dmabuf)
{
	struct event_stats *cpu = this_cpu_stats();

	if (cpu)
		record(&cpu->hists[which], BPF_CORE_READ(dmabuf, size));
}

SEC("raw_tp/dma_buf_export")
int on_export(struct bpf_raw_tracepoint_args *ctx)
{
	if (is_wanted())
		record_size(EVENT_EXPORT, (void *)ctx->args[0]);
	return 0;
}

SEC("raw_tp/dma_buf_dynamic_attach")
int on_attach(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 attach = ctx->args[1], now_ns;
	struct event_stats *cpu;

	if (!is_wanted())
		return 0;
	record_size(EVENT_ATTACH, (void *)ctx->args[0]);
	now_ns = bpf_ktime_get_ns();
	if (!bpf_map_update_elem(&attached, &attach, &now_ns, BPF_ANY))
		return 0;
	cpu = this_cpu_stats();
	if (cpu)
		cpu->lost++;
	return 0;
}

SEC("raw_tp/dma_buf_detach")
int on_detach(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now_ns = bpf_ktime_get_ns(), attach = ctx->args[1];
	struct event_stats *cpu = this_cpu_stats();
	__u64 *since_ns;

	if (!cpu || !is_wanted())
		return 0;
	since_ns = bpf_map_lookup_elem(&attached, &attach);
	if (!since_ns) {
		cpu->unmatched++;
		return 0;
	}
	record(&cpu->hists[EVENT_DETACH], now_ns - *since_ns);
	bpf_map_delete_elem(&attached, &attach);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
