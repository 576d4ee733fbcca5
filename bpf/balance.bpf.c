// SPDX-License-Identifier: GPL-2.0
/*
 * Counts what the callbacks of exporters do and undo, for each dma-buf. The loader attaches the
 * programs to the callbacks by address. The cookie of each probe is an enum balance_pair.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <linux/stddef.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "balance.h"
#include "dmabuf.bpf.h"
#include "frame.bpf.h"

struct dma_buf_attachment {
	struct dma_buf *dmabuf;
} BY_BTF;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_BALANCED_BUFFERS);
	__type(key, __u64); /* inode number */
	__type(value, struct balance);
} buffers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_BALANCE_CALLS);
	__type(key, __u64);   /* frame */
	__type(value, __u64); /* address of the dma-buf */
} in_flight SEC(".maps");

__u64 lost;	 /* calls that were not counted: a map was full, or the return was not seen */
__u64 unmatched; /* returns of calls whose entry was not seen */
__u32 complete;	 /* set by the loader while all programs are attached */

static __always_inline struct balance *balance_of(const struct dma_buf *dmabuf)
{
	__u64 inode = BPF_CORE_READ(dmabuf, file, f_inode, i_ino);
	struct balance *balance = bpf_map_lookup_elem(&buffers, &inode);
	struct balance none = {};

	if (balance)
		return balance;
	none.size = BPF_CORE_READ(dmabuf, size);
	bpf_probe_read_kernel_str(none.exporter, sizeof(none.exporter),
				  BPF_CORE_READ(dmabuf, exp_name));
	bpf_map_update_elem(&buffers, &inode, &none, BPF_NOEXIST);
	balance = bpf_map_lookup_elem(&buffers, &inode);
	if (!balance)
		__sync_fetch_and_add(&lost, 1);
	return balance;
}

/* attach and detach get the dma-buf, and the other callbacks get the attachment. */
static __always_inline struct dma_buf *buffer_of_call(struct pt_regs *ctx, __u64 pair)
{
	const struct dma_buf_attachment *attach = (void *)PT_REGS_PARM1(ctx);

	if (pair == BALANCE_ATTACH)
		return (void *)PT_REGS_PARM1(ctx);
	return BPF_CORE_READ(attach, dmabuf);
}

SEC("kprobe")
int enter_do(struct pt_regs *ctx)
{
	__u64 dmabuf = (__u64)buffer_of_call(ctx, bpf_get_attach_cookie(ctx));
	__u64 frame = frame_at_entry(ctx);

	if (!bpf_map_update_elem(&in_flight, &frame, &dmabuf, BPF_NOEXIST))
		return 0;

	/* The map is full, or the return of an earlier call with this frame was not seen. */
	__sync_fetch_and_add(&lost, 1);
	bpf_map_update_elem(&in_flight, &frame, &dmabuf, BPF_EXIST);
	return 0;
}

/* map_dma_buf returns a pointer, attach and pin return an int. */
static __always_inline int has_failed(struct pt_regs *ctx, __u64 pair)
{
	return pair == BALANCE_MAP ? is_error((void *)PT_REGS_RC(ctx)) : (int)PT_REGS_RC(ctx) != 0;
}

SEC("kretprobe")
int return_do(struct pt_regs *ctx)
{
	__u64 pair = bpf_get_attach_cookie(ctx), frame = frame_at_return(ctx);
	__u64 *dmabuf = bpf_map_lookup_elem(&in_flight, &frame);
	struct balance *balance;

	if (!dmabuf) {
		if (complete)
			__sync_fetch_and_add(&unmatched, 1);
		return 0;
	}
	balance = balance_of((const void *)*dmabuf);
	bpf_map_delete_elem(&in_flight, &frame);
	if (!balance || pair >= BALANCE_PAIRS)
		return 0;
	if (has_failed(ctx, pair))
		__sync_fetch_and_add(&balance->failed[pair], 1);
	else
		__sync_fetch_and_add(&balance->done[pair], 1);
	return 0;
}

SEC("kprobe")
int enter_undo(struct pt_regs *ctx)
{
	__u64 pair = bpf_get_attach_cookie(ctx);
	struct balance *balance = balance_of(buffer_of_call(ctx, pair));

	if (balance && pair < BALANCE_PAIRS)
		__sync_fetch_and_add(&balance->undone[pair], 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
