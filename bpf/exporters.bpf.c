// SPDX-License-Identifier: GPL-2.0
/*
 * Finds the callbacks of exporters, and the callback of importers that hears of moves. Iterators
 * find the callbacks of dma-bufs that are open or mapped. The loader passes the ops tables that it
 * knows by symbol. dma_buf_export() and dma_buf_dynamic_attach(), or the tracepoints in them, show
 * later callbacks: too late to time them, but in time to report them.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <linux/stddef.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "dmabuf.bpf.h"
#include "exporters.h"

#define MAX_ATTACHMENTS	16 /* of a buffer; further ones are ignored */

struct dma_buf_ops {
#define MEMBER(op) void *op;
	EXPORTER_OPS(MEMBER)
#undef MEMBER
	void *release;
} BY_BTF;

struct dma_buf_export_info {
	const char *exp_name;
	const struct dma_buf_ops *ops;
} BY_BTF;

struct dma_buf_attach_ops {
#define MEMBER(op) void *op;
	IMPORTER_OPS(MEMBER)
#undef MEMBER
} BY_BTF;

struct dma_buf_attachment {
	struct list_head node;
	const struct dma_buf_attach_ops *importer_ops;
} BY_BTF;

__u64 callbacks_full; /* functions that are not known, as there are too many */
__u32 members;	      /* of the kernel's two structures: a bit for each enum exporter_op */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CALLBACKS);
	__type(key, struct callback);
	__type(value, struct callback_owner);
} callbacks SEC(".maps");

static __noinline int note(__u64 function, __u32 op, const char *exporter)
{
	struct callback key = { .function = function, .op = op };
	struct callback_owner owner = {};

	if (!function)
		return 0;
	if (exporter)
		bpf_probe_read_kernel_str(owner.exporter, sizeof(owner.exporter), exporter);
	else if (bpf_map_lookup_elem(&callbacks, &key))
		return 0; /* with a name, perhaps */
	if (bpf_map_update_elem(&callbacks, &key, &owner, BPF_ANY))
		__sync_fetch_and_add(&callbacks_full, 1);
	return 0;
}

static __always_inline void note_table(const struct dma_buf_ops *ops, const char *exporter)
{
#define NOTE(op)							\
	if (bpf_core_field_exists(ops->op))				\
		note((__u64)BPF_CORE_READ(ops, op), OP_##op, exporter);
	EXPORTER_OPS(NOTE)
#undef NOTE
}

static __always_inline void note_importer(const struct dma_buf_attach_ops *ops,
					  const char *exporter)
{
	if (!ops)
		return;
#define NOTE(op)							\
	if (bpf_core_field_exists(ops->op))				\
		note((__u64)BPF_CORE_READ(ops, op), OP_##op, exporter);
	IMPORTER_OPS(NOTE)
#undef NOTE
}

/* Kernels differ in the callbacks that they have. The loader names those that are not there. */
SEC("syscall")
int find_members(void *ctx)
{
	const struct dma_buf_attach_ops *importer = NULL;
	const struct dma_buf_ops *exporter = NULL;

	(void)ctx;
#define FIND(table, op) (bpf_core_field_exists((table)->op) ? 1u << OP_##op : 0)
#define FIND_EXPORTER(op) | FIND(exporter, op)
#define FIND_IMPORTER(op) | FIND(importer, op)
	members = 0 EXPORTER_OPS(FIND_EXPORTER) IMPORTER_OPS(FIND_IMPORTER);
	return 0;
}

/*
 * The list is read without its lock. A list that changes meanwhile ends early, or leads to memory
 * that reads as zero.
 */
static __always_inline void note_importers(struct dma_buf *dmabuf, const char *exporter)
{
	const __u64 head = (__u64)dmabuf + bpf_core_field_offset(struct dma_buf, attachments);
	struct list_head *at = BPF_CORE_READ(dmabuf, attachments.next);
	struct dma_buf_attachment *attach;
	int i;

	for (i = 0; i < MAX_ATTACHMENTS; i++) {
		if (!at || (__u64)at == head)
			return;
		attach = (void *)at - bpf_core_field_offset(struct dma_buf_attachment, node);
		note_importer(BPF_CORE_READ(attach, importer_ops), exporter);
		at = BPF_CORE_READ(at, next);
	}
}

static __always_inline int note_file(struct file *file)
{
	struct dma_buf *dmabuf = dma_buf_of(file);
	const char *exporter;

	if (!dmabuf)
		return 0;
	exporter = BPF_CORE_READ(dmabuf, exp_name);
	note_table(BPF_CORE_READ(dmabuf, ops), exporter);
	note_importers(dmabuf, exporter);
	return 0;
}

SEC("iter/task_file")
int walk_files(struct bpf_iter__task_file *ctx)
{
	return note_file(ctx->file);
}

/* A buffer may live on in mappings alone. */
SEC("iter/task_vma")
int walk_mappings(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;

	return vma ? note_file(BPF_CORE_READ(vma, vm_file)) : 0;
}

/*
 * Returns 1 for an ops table. dma_buf_export() refuses a table that lacks release, or has neither
 * map_dma_buf nor get_pfn.
 */
SEC("syscall")
int read_table(struct read_table *ctx)
{
	const struct dma_buf_ops *ops = (const void *)ctx->ops;

	if (!BPF_CORE_READ(ops, release))
		return 0;
	if (!BPF_CORE_READ(ops, map_dma_buf) &&
	    !(bpf_core_field_exists(ops->get_pfn) && BPF_CORE_READ(ops, get_pfn)))
		return 0;
	note_table(ops, NULL);
	return 1;
}

static __always_inline int on_export(const struct dma_buf_export_info *info)
{
	note_table(BPF_CORE_READ(info, ops), BPF_CORE_READ(info, exp_name));
	return 0;
}

static __always_inline int on_attach(struct dma_buf *dmabuf, const struct dma_buf_attach_ops *ops)
{
	note_importer(ops, BPF_CORE_READ(dmabuf, exp_name));
	return 0;
}

SEC("fentry/dma_buf_export")
int export_fentry(__u64 *ctx)
{
	return on_export((void *)ctx[0]);
}

SEC("kprobe/dma_buf_export")
int export_kprobe(struct pt_regs *ctx)
{
	return on_export((void *)PT_REGS_PARM1(ctx));
}

SEC("fentry/dma_buf_dynamic_attach")
int attach_fentry(__u64 *ctx)
{
	return on_attach((void *)ctx[0], (void *)ctx[2]);
}

SEC("kprobe/dma_buf_dynamic_attach")
int attach_kprobe(struct pt_regs *ctx)
{
	return on_attach((void *)PT_REGS_PARM1(ctx), (void *)PT_REGS_PARM3(ctx));
}

SEC("raw_tp/dma_buf_export")
int export_tracepoint(struct bpf_raw_tracepoint_args *ctx)
{
	const struct dma_buf *dmabuf = (void *)ctx->args[0];

	note_table(BPF_CORE_READ(dmabuf, ops), BPF_CORE_READ(dmabuf, exp_name));
	return 0;
}

SEC("raw_tp/dma_buf_dynamic_attach")
int attach_tracepoint(struct bpf_raw_tracepoint_args *ctx)
{
	const struct dma_buf_attachment *attach = (void *)ctx->args[1];

	return on_attach((void *)ctx->args[0], (void *)BPF_CORE_READ(attach, importer_ops));
}

char LICENSE[] SEC("license") = "GPL";
