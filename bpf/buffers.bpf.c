// SPDX-License-Identifier: GPL-2.0
/*
 * Finds dma-bufs, and with each the ww_mutex that is its reservation lock. Iterators over all tasks
 * find the buffers that are open or mapped at the beginning. dma_buf_export() or its tracepoint
 * shows later buffers, and dma_buf_release() the end of a buffer. dma_buf_release() has no
 * tracepoint: with tracepoints alone, a buffer is known until a new buffer has its place in memory.
 * A buffer that was made before and that only the kernel still holds is not found.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <linux/stddef.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "dmabuf.bpf.h"
#include "locks.h"

struct dentry {
	void *d_fsdata;
} BY_BTF;

/* Set by the loader. */
const volatile __u32 only_tgid = 0; /* not 0: only the dma-buf that is this process's only_fd */
const volatile __u32 only_fd = 0;
const volatile char only_exporter[LOCK_NAME_BYTES] = ""; /* not empty: only its dma-bufs */

__u64 buffers_full; /* dma-bufs that are not known, as there are too many */

/* The one of locks.bpf.c. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* address of the lock */
	__type(value, struct lock_state);
} locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);   /* address of the dma-buf */
	__type(value, __u64); /* of its lock */
} buffers SEC(".maps");

static __always_inline int has_other_name(const char *name)
{
	int i;

	if (!only_exporter[0])
		return 0;
#pragma unroll
	for (i = 0; i < LOCK_NAME_BYTES; i++) {
		if (name[i] != only_exporter[i])
			return 1;
		if (!name[i])
			return 0;
	}
	return 0;
}

static __always_inline void watch(struct dma_buf *dmabuf)
{
	__u64 key = (__u64)dmabuf, lock = (__u64)BPF_CORE_READ(dmabuf, resv);
	struct lock_state fresh = {}, *state;

	bpf_probe_read_kernel_str(fresh.exporter, sizeof(fresh.exporter),
				  BPF_CORE_READ(dmabuf, exp_name));
	if (has_other_name(fresh.exporter))
		return;
	if (bpf_map_lookup_elem(&buffers, &key))
		return; /* open more than once */
	if (bpf_map_update_elem(&buffers, &key, &lock, BPF_NOEXIST)) {
		__sync_fetch_and_add(&buffers_full, 1);
		return;
	}

	/* Drivers may give all buffers of a context one lock. */
	state = bpf_map_lookup_elem(&locks, &lock);
	if (state) {
		__sync_fetch_and_add(&state->users, 1);
		return;
	}
	fresh.users = 1;
	fresh.inode = BPF_CORE_READ(dmabuf, file, f_inode, i_ino);
	fresh.size_bytes = BPF_CORE_READ(dmabuf, size);
	bpf_map_update_elem(&locks, &lock, &fresh, BPF_NOEXIST);
}

static __always_inline void forget(struct dma_buf *dmabuf)
{
	__u64 key = (__u64)dmabuf, lock, *found = bpf_map_lookup_elem(&buffers, &key);
	struct lock_state *state;

	if (!found)
		return;
	lock = *found;
	bpf_map_delete_elem(&buffers, &key);
	state = bpf_map_lookup_elem(&locks, &lock);
	if (state && __sync_fetch_and_add(&state->users, -1) == 1)
		bpf_map_delete_elem(&locks, &lock);
}

static __always_inline void watch_file(struct file *file)
{
	struct dma_buf *dmabuf = dma_buf_of(file);

	if (dmabuf)
		watch(dmabuf);
}

SEC("iter/task_file")
int walk_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	if (!task || !file)
		return 0;
	if (only_tgid && (task->tgid != only_tgid || ctx->fd != only_fd))
		return 0;
	watch_file(file);
	return 0;
}

/* A buffer may live on in mappings alone. */
SEC("iter/task_vma")
int walk_mappings(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;

	if (vma && !only_tgid)
		watch_file(BPF_CORE_READ(vma, vm_file));
	return 0;
}

static __always_inline int on_export(struct dma_buf *made)
{
	if (!is_error(made))
		watch(made);
	return 0;
}

static __always_inline int on_release(struct dentry *dentry)
{
	forget(BPF_CORE_READ(dentry, d_fsdata));
	return 0;
}

SEC("fexit/dma_buf_export")
int export_fexit(__u64 *ctx)
{
	return on_export((void *)ctx[1]);
}

SEC("kretprobe/dma_buf_export")
int export_kretprobe(struct pt_regs *ctx)
{
	return on_export((void *)PT_REGS_RC(ctx));
}

SEC("raw_tp/dma_buf_export")
int export_tracepoint(struct bpf_raw_tracepoint_args *ctx)
{
	struct dma_buf *made = (void *)ctx->args[0];

	forget(made); /* a buffer that had this place, and whose release nobody saw */
	watch(made);
	return 0;
}

SEC("fentry/dma_buf_release")
int release_fentry(__u64 *ctx)
{
	return on_release((void *)ctx[0]);
}

SEC("kprobe/dma_buf_release")
int release_kprobe(struct pt_regs *ctx)
{
	return on_release((void *)PT_REGS_PARM1(ctx));
}

char LICENSE[] SEC("license") = "GPL";
