// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "bench/clock.h"
#include "bench/measure.h"
#include "bench/paths.h"
#include "exporter/memory.h"
#include "importer/importer.h"
#include "testexp_uapi.h"

/* Number of pairs of readings. The smallest difference of a pair is the cost of the clock. */
#define MEASURE_CLOCK_READINGS	64

static u64 measure_clock_cost(void)
{
	u64 before, cost = U64_MAX;
	int i;

	for (i = 0; i < MEASURE_CLOCK_READINGS; i++) {
		before = testexp_clock();
		cost = min(cost, testexp_clock() - before);
	}
	return cost;
}

static int measure_check(const struct testexp_measure *args)
{
	if (args->mode >= TESTEXP_MODES || !args->batches || !args->ops_per_batch ||
	    args->ops_per_batch > TESTEXP_MAX_OPS_PER_BATCH)
		return -EINVAL;
	return 0;
}

/* Makes all operations of a batch between two readings of the clock. */
static int measure_batch(struct resolve_run *run, u32 ops, struct testexp_hist *hist)
{
	struct dma_resv *resv = run->attach->dmabuf->resv;
	bool is_locked = run->path->is_locked;
	u64 before, ticks;
	int ret;

	before = testexp_clock();
	if (is_locked)
		dma_resv_lock(resv, NULL);
	ret = run->path->run(run, ops);
	if (is_locked)
		dma_resv_unlock(resv);
	ticks = testexp_clock() - before;
	if (!ret)
		testexp_hist_add(hist, ticks);
	return ret;
}

/* Makes each operation of a batch between two readings of the clock. */
static int measure_singles(struct resolve_run *run, u32 ops, struct testexp_hist *hist)
{
	struct dma_resv *resv = run->attach->dmabuf->resv;
	bool is_locked = run->path->is_locked;
	u64 before, ticks;
	int ret = 0;

	if (is_locked)
		dma_resv_lock(resv, NULL);
	for (; ops; ops--) {
		before = testexp_clock();
		ret = run->path->run(run, 1);
		ticks = testexp_clock() - before;
		if (ret)
			break;
		testexp_hist_add(hist, ticks);
	}
	if (is_locked)
		dma_resv_unlock(resv);
	return ret;
}

static int measure_batches(const struct testexp_measure *args, struct resolve_run *run,
			   u64 batches, struct testexp_hist *hist)
{
	u32 ops = args->ops_per_batch;
	int ret;

	for (; batches; batches--) {
		if (signal_pending(current))
			return -EINTR;
		ret = resolve_rewind(run, ops);
		if (ret)
			return ret;
		if (args->mode == TESTEXP_MODE_SINGLE)
			ret = measure_singles(run, ops, hist);
		else
			ret = measure_batch(run, ops, hist);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

static int measure_run(struct testexp_measure *args, struct resolve_run *run,
		       struct testexp_hist *hist)
{
	int ret;

	args->clock_cost_ticks = measure_clock_cost();

	testexp_hist_reset(hist);
	ret = measure_batches(args, run, args->warmup_batches, hist);
	if (ret)
		return ret;

	run->pages = 0;
	testexp_hist_reset(hist);
	ret = measure_batches(args, run, args->batches, hist);
	if (ret)
		return ret;

	args->ops = args->batches * args->ops_per_batch;
	args->pages = run->pages;
	args->ticks = hist->sum;
	args->min_batch_ticks = hist->min;
	return 0;
}

/* Serves TESTEXP_IOC_MEASURE: see struct testexp_measure. */
static int measure_serve(struct testexp_call *call)
{
	struct testexp_measure *args = call->args;
	struct importer *importer = call->owner;
	const struct resolve_where where = {
		.path = args->path,
		.sequence = args->sequence,
		.pgoff = args->pgoff,
		.nr_pages = args->nr_pages,
		.stride = args->stride,
		.address = args->address,
	};
	struct testexp_hist *hist;
	struct resolve_run run;
	int ret;

	ret = measure_check(args);
	if (ret)
		return ret;

	hist = testexp_memory_kvmalloc(sizeof(*hist));
	if (IS_ERR(hist))
		return PTR_ERR(hist);

	ret = testexp_resolve_begin(&run, importer->attach, &where);
	if (!ret) {
		ret = measure_run(args, &run, hist);
		testexp_resolve_end(&run);
	}
	if (!ret && args->hist && copy_to_user(u64_to_user_ptr(args->hist), hist, sizeof(*hist)))
		ret = -EFAULT;
	testexp_memory_kvfree(hist, sizeof(*hist));
	return ret ? ret : testexp_respond(call);
}

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
static int deliver_serve(struct testexp_call *call)
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

	delivered = testexp_memory_kvzalloc(bytes);
	if (IS_ERR(delivered))
		return PTR_ERR(delivered);

	ret = testexp_resolve_begin(&run, importer->attach, &where);
	if (ret)
		goto free;
	run.delivered = delivered;
	run.capacity = args->capacity;
	ret = deliver_run(&run, args->ops);
	testexp_resolve_end(&run);
	if (ret)
		goto free;

	args->nr_delivered = run.nr_delivered;
	if (copy_to_user(u64_to_user_ptr(args->delivered), delivered,
			 run.nr_delivered * sizeof(*delivered)))
		ret = -EFAULT;
free:
	testexp_memory_kvfree(delivered, bytes);
	return ret ? ret : testexp_respond(call);
}

static const struct testexp_ioctl measure_rows[] = {
	TESTEXP_IOCTL(TESTEXP_IOC_MEASURE, struct testexp_measure, clock_cost_ticks, 0,
		      measure_serve),
	TESTEXP_IOCTL(TESTEXP_IOC_DELIVER, struct testexp_deliver, reserved, 0, deliver_serve),
};

const struct testexp_ioctls testexp_measure_ioctls = {
	.rows = measure_rows,
	.nr_rows = ARRAY_SIZE(measure_rows),
};
