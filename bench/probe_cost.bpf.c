// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that do nothing: the least that a tracer can cost.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_helpers.h>

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

char LICENSE[] SEC("license") = "GPL";
