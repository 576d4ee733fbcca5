/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Callbacks of the dma-buf core: exporters.bpf.c finds them, exporter_watch.cpp reads them.
 */
#ifndef EXPORTERS_H
#define EXPORTERS_H

#include <linux/types.h>

/* The members of struct dma_buf_ops that are traced. To trace another member, add its name. */
#define EXPORTER_OPS(X)							\
	X(attach) X(detach) X(pin) X(unpin) X(map_dma_buf)		\
	X(unmap_dma_buf) X(begin_cpu_access) X(end_cpu_access) X(get_pfn)	\
	X(get_pfn_attrs)

/* The member of struct dma_buf_attach_ops that is traced. Linux 7.1 renamed it. */
#define IMPORTER_OPS(X) X(invalidate_mappings) X(move_notify)

enum exporter_op {
#define EXPORTER_OP(op) OP_##op,
	EXPORTER_OPS(EXPORTER_OP)
	IMPORTER_OPS(EXPORTER_OP)
#undef EXPORTER_OP
};

#define EXPORTER_NAME_BYTES	32
#define MAX_CALLBACKS		1024

/**
 * struct callback - a function, and what it is to the core
 * @function: its address
 * @op: enum exporter_op
 *
 * Drivers may share functions, and use one table for each buffer: so neither the name
 * nor the table is the key.
 */
struct callback {
	__u64 function;
	__u32 op;
	__u32 unused;
};

/* The exporter of a callback. The name is empty until a buffer of this exporter was seen. */
struct callback_owner {
	char exporter[EXPORTER_NAME_BYTES];
};

/* What the loader gives to read_table. */
struct read_table {
	__u64 ops; /* address of a struct dma_buf_ops */
};

#endif /* EXPORTERS_H */
