// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "bench/paths.h"
#include "exporter/memory.h"
#include "importer/importer.h"
#include "testexp_uapi.h"

static int deliver_run(struct resolve_run *run, u32 ops)
{
	struct dma_resv *resv = run->attach->dmabuf->resv;
	int ret = resolve_rewind(run, ops);

	if (ret || !run->path->deliver)
		return ret;
	if (run->path->is_locked)
		dma_resv_lock(resv, NULL);
	ret = run->path->deliver(run, ops);
	if (run->path->is_locked)
		dma_resv_unlock(resv);
	return ret;
}

/* Serves TESTEXP_IOC_DELIVER: see struct testexp_deliver. */
int importer_deliver(struct testexp_call *call)
{
	struct testexp_deliver *args = call->args;
	struct importer *importer = call->owner;
	const struct resolve_where where = {
		.path = args->path,
		.sequence = args->sequence,
		.pgoff = args->pgoff,
		.nr_pages = args->nr_pages,
		.stride = args->stride,
		.address = args->address,
	};
	size_t bytes = (size_t)args->capacity * sizeof(struct testexp_delivered);
	struct testexp_delivered *delivered;
	struct resolve_run run;
	int ret;

	if (args->reserved || !args->ops || args->ops > TESTEXP_MAX_OPS_PER_BATCH ||
	    !args->capacity || args->capacity > TESTEXP_MAX_DELIVERED)
		return -EINVAL;

	delivered = memory_kvzalloc(bytes);
	if (IS_ERR(delivered))
		return PTR_ERR(delivered);

	ret = resolve_begin(&run, importer->attach, &where);
	if (ret)
		goto free;
	run.delivered = delivered;
	run.capacity = args->capacity;
	ret = deliver_run(&run, args->ops);
	resolve_end(&run);
	if (ret)
		goto free;

	args->nr_delivered = run.nr_delivered;
	if (copy_to_user(u64_to_user_ptr(args->delivered), delivered,
			 run.nr_delivered * sizeof(*delivered)))
		ret = -EFAULT;
free:
	memory_kvfree(delivered, bytes);
	return ret ? ret : testexp_respond(call);
}
