/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How BPF programs find dma-bufs. The structures have only the fields that are read; BTF gives
 * the offsets.
 */
#ifndef DMABUF_BPF_H
#define DMABUF_BPF_H

#include <bpf/bpf_core_read.h>

#define DMA_BUF_MAGIC	0x444d4142
#define MAX_ERRNO	4095

#define BY_BTF __attribute__((preserve_access_index))

struct list_head {
	struct list_head *next;
} BY_BTF;

struct super_block {
	unsigned long s_magic;
} BY_BTF;

struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
} BY_BTF;

struct file {
	struct inode *f_inode;
	void *private_data;
} BY_BTF;

struct dma_buf {
	unsigned long size;
	struct file *file;
	struct list_head attachments;
	const struct dma_buf_ops *ops;
	const char *exp_name;
	void *resv;
} BY_BTF;

struct task_struct {
	__u32 tgid; /* pid_t, never negative */
} BY_BTF;

struct vm_area_struct {
	struct file *vm_file;
} BY_BTF;

struct bpf_iter__task_file {
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} BY_BTF;

struct bpf_iter__task_vma {
	struct task_struct *task;
	struct vm_area_struct *vma;
} BY_BTF;

static __always_inline int is_error(const void *pointer)
{
	return !pointer || (__u64)pointer >= (__u64)-MAX_ERRNO;
}

/* The dma-buf that a file is, or NULL. */
static __always_inline struct dma_buf *dma_buf_of(struct file *file)
{
	if (!file || BPF_CORE_READ(file, f_inode, i_sb, s_magic) != DMA_BUF_MAGIC)
		return NULL;
	return BPF_CORE_READ(file, private_data);
}

#endif /* DMABUF_BPF_H */
