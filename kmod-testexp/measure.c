// SPDX-License-Identifier: GPL-2.0
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "clock.h"
#include "importer.h"
#include "paths.h"
#include "testexp_uapi.h"

/* Readings to find the smallest difference of two that follow each other. */
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

static int measure_check(const struct testexp_measure *args, const struct dma_buf *dmabuf)
{
	u64 buffer_pages = dmabuf->size >> PAGE_SHIFT;

	if (args->path >= TESTEXP_PATHS || !args->batches || !args->ops_per_batch ||
	    args->ops_per_batch > TESTEXP_MAX_OPS_PER_BATCH)
		return -EINVAL;
	if (!args->nr_pages || args->pgoff >= buffer_pages ||
	    args->nr_pages > buffer_pages - args->pgoff)
		return -EINVAL;
	return 0;
}

static int measure_batches(const struct testexp_measure *args, struct resolve_run *run,
			   u64 batches, struct testexp_hist *hist)
{
	const struct resolve_path *path = resolve_paths + args->path;
	u64 before, ticks;
	int ret;

	for (; batches; batches--) {
		if (signal_pending(current))
			return -EINTR;

		before = testexp_clock();
		ret = path->run(run, args->ops_per_batch);
		ticks = testexp_clock() - before;
		if (ret)
			return ret;

		testexp_hist_add(hist, ticks);
		cond_resched();
	}
	return 0;
}

static int measure_run(struct testexp_measure *args, struct dma_buf_attachment *attach,
		       struct testexp_hist *hist)
{
	struct resolve_run run = {
		.attach = attach,
		.first = args->pgoff,
		.end = args->pgoff + args->nr_pages,
		.pgoff = args->pgoff,
	};
	int ret;

	args->clock_cost_ticks = measure_clock_cost();

	testexp_hist_reset(hist);
	ret = measure_batches(args, &run, args->warmup_batches, hist);
	if (ret)
		return ret;

	run.pages = 0;
	testexp_hist_reset(hist);
	ret = measure_batches(args, &run, args->batches, hist);
	if (ret)
		return ret;

	args->ops = args->batches * args->ops_per_batch;
	args->pages = run.pages;
	args->ticks = hist->sum;
	args->min_batch_ticks = hist->min;
	return 0;
}

/* Serves TESTEXP_IOC_MEASURE: see struct testexp_measure. */
int importer_measure(struct testexp_call *call)
{
	struct testexp_measure *args = call->args;
	struct importer *importer = call->owner;
	struct testexp_hist *hist;
	int ret;

	ret = measure_check(args, importer->attach->dmabuf);
	if (ret)
		return ret;

	hist = kmalloc(sizeof(*hist), GFP_KERNEL_ACCOUNT);
	if (!hist)
		return -ENOMEM;

	ret = measure_run(args, importer->attach, hist);
	if (!ret && args->hist && copy_to_user(u64_to_user_ptr(args->hist), hist, sizeof(*hist)))
		ret = -EFAULT;
	kfree(hist);
	return ret ? ret : testexp_respond(call);
}
