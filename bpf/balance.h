/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The counts of one dma-buf. balance.bpf.c writes them, and balance_probe.cpp reads them.
 */
#ifndef BALANCE_H
#define BALANCE_H

#include <linux/types.h>

#include "exporters.h"

/* Two callbacks of an exporter: the second one takes back what the first one did. */
enum balance_pair {
	BALANCE_ATTACH,	/* attach and detach */
	BALANCE_PIN,	/* pin and unpin */
	BALANCE_MAP,	/* map_dma_buf and unmap_dma_buf */
	BALANCE_PAIRS
};

#define MAX_BALANCED_BUFFERS	65536
#define MAX_BALANCE_CALLS	8192 /* in flight at once */

/**
 * struct balance - the calls of the callbacks of one dma-buf
 * @size: of the buffer, in bytes
 * @done: by enum balance_pair, calls of the first callback that succeeded
 * @failed: by enum balance_pair, calls of the first callback that failed
 * @undone: by enum balance_pair, calls of the second callback
 * @exporter: name of the exporter
 *
 * The key is the inode number of the dma-buf. Unlike the address, no later buffer has it again.
 */
struct balance {
	__u64 size;
	__u64 done[BALANCE_PAIRS];
	__u64 failed[BALANCE_PAIRS];
	__u64 undone[BALANCE_PAIRS];
	char exporter[EXPORTER_NAME_BYTES];
};

#endif /* BALANCE_H */
