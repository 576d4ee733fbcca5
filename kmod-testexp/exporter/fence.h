/* SPDX-License-Identifier: GPL-2.0 */
/* Makes the fences that importers, contenders and busy buffers of this module add. */
#ifndef TESTEXP_FENCE_H
#define TESTEXP_FENCE_H

#include <linux/dma-fence.h>
#include <linux/types.h>

struct dma_fence *testexp_fence_alloc(u64 context, u64 seqno);
void testexp_fence_exit(void);

#endif /* TESTEXP_FENCE_H */
