// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/processor.h>
#include <linux/sched/signal.h>

#include "bench/clock.h"
#include "bench/contend.h"
#include "bench/roles.h"
#include "exporter/exporter.h"
#include "exporter/fence.h"
#include "importer/importer.h"
#include "compat.h"

/**
 * struct role - what a contender does
 * @begin: called before the first operation, or NULL; may be slow
 * @end: undoes @begin, or NULL
 * @operate: makes one operation; returns 0, the negative errno of the operation, or
 *	-ECANCELED when the contention ended during the operation
 * @sets: the role can use several buffers at once
 */
struct role {
	int (*begin)(struct contender *contender);
	void (*end)(struct contender *contender);
	int (*operate)(struct contender *contender);
	bool sets;
};

/*
 * Returns whether the contender must end. Contenders call this function between operations, and
 * in each operation that may take long.
 */
bool testexp_contender_is_over(const struct contender *contender)
{
	const struct contention *contention = contender->contention;

	if (READ_ONCE(contention->stop) || signal_pending(current))
		return true;
	return contention->run_ticks &&
	       testexp_clock() - contention->gate.opened_ticks >= contention->run_ticks;
}

/* Spins in place of the work that a holder of a lock would do. */
static void contender_spin(const struct contender *contender, u64 ticks)
{
	u64 begin = testexp_clock();

	while (testexp_clock() - begin < ticks && !testexp_contender_is_over(contender))
		cpu_relax();
}

static struct dma_buf_attachment *role_attachment(const struct contender *contender, u32 index)
{
	return contender->importers[index]->attach;
}

static struct dma_resv *role_resv(const struct contender *contender, u32 index)
{
	return role_attachment(contender, index)->dmabuf->resv;
}

static bool role_is_user(const struct contender *contender)
{
	return contender->spec.flags & TESTEXP_CONTENDER_USER;
}

/* Kernel threads wait uninterruptibly, as drivers do, so the hung task detector sees them. */
static int role_lock(const struct contender *contender, struct dma_resv *resv,
		     struct ww_acquire_ctx *ctx)
{
	return role_is_user(contender) ? dma_resv_lock_interruptible(resv, ctx) :
					 dma_resv_lock(resv, ctx);
}

static int role_lock_slow(const struct contender *contender, struct dma_resv *resv,
			  struct ww_acquire_ctx *ctx)
{
	if (role_is_user(contender))
		return dma_resv_lock_slow_interruptible(resv, ctx);
	dma_resv_lock_slow(resv, ctx);
	return 0;
}

static void role_shuffle(struct contender *contender)
{
	u32 i, j;

	for (i = contender->spec.count - 1; i; i--) {
		j = prandom_u32_state(&contender->random) % (i + 1);
		swap(contender->order[i], contender->order[j]);
	}
}

/* Drops the first @count locks in the order of the set. */
static void role_unlock_set(const struct contender *contender, u32 count)
{
	while (count--)
		dma_resv_unlock(role_resv(contender, contender->order[count]));
}

/*
 * Takes the locks of the set one by one. A contender that must back off drops all its locks,
 * waits for the lock that it did not get, and continues from there.
 */
static int role_lock_set(struct contender *contender, struct ww_acquire_ctx *ctx)
{
	u8 *order = contender->order;
	u32 locked = 0;
	int ret;

	role_shuffle(contender);
	while (locked < contender->spec.count) {
		ret = role_lock(contender, role_resv(contender, order[locked]), ctx);
		if (!ret) {
			locked++;
			continue;
		}

		role_unlock_set(contender, locked);
		if (ret != -EDEADLK)
			return ret;
		contender->counts.backoffs++;
		contender->counts.retries += locked;
		if (testexp_contender_is_over(contender))
			return -ECANCELED;

		swap(order[0], order[locked]);
		ret = role_lock_slow(contender, role_resv(contender, order[0]), ctx);
		if (ret)
			return ret;
		locked = 1;
	}
	return 0;
}

/* Resolves one page of each buffer. The next operation resolves the next page. */
static int role_ask_set(struct contender *contender)
{
	u32 i;

	for (i = 0; i < contender->spec.count; i++) {
		struct dma_buf_attachment *attach = role_attachment(contender, i);
		u64 nr_pages = attach->dmabuf->size >> PAGE_SHIFT, pfn;
		int order, ret;

		if (!nr_pages) /* another exporter's buffer may be shorter than a page */
			return -EINVAL;
		ret = testexp_get_pfn(attach, contender->counts.ops % nr_pages, &pfn, &order);
		if (ret)
			return ret;
		contender->counts.pages++;
	}
	return 0;
}

/*
 * Runs with the locks of the set held. No other contender and no callback of the exporter may run
 * for these buffers at the same time.
 */
static int role_hold(struct contender *contender, bool ask)
{
	struct task_struct *before[TESTEXP_MAX_CONTENDED];
	u64 begin = testexp_clock();
	int ret = 0;
	u32 i;

	for (i = 0; i < contender->spec.count; i++)
		before[i] = testexp_exporter_enter(role_attachment(contender, i)->dmabuf);
	if (ask)
		ret = role_ask_set(contender);
	contender_spin(contender, contender->spec.hold_ticks);
	while (i--)
		testexp_exporter_leave(role_attachment(contender, i)->dmabuf, before[i]);
	testexp_hist_add(&contender->hold, testexp_clock() - begin);
	return ret;
}

static int role_operate_locked(struct contender *contender, bool ask)
{
	bool several = contender->spec.count > 1;
	u64 begin = testexp_clock();
	struct ww_acquire_ctx ctx;
	int ret;

	if (several)
		ww_acquire_init(&ctx, &reservation_ww_class);
	ret = role_lock_set(contender, several ? &ctx : NULL);
	if (!ret) {
		if (several)
			ww_acquire_done(&ctx);
		testexp_hist_add(&contender->wait, testexp_clock() - begin);
		ret = role_hold(contender, ask);
		role_unlock_set(contender, contender->spec.count);
	}
	if (several)
		ww_acquire_fini(&ctx);
	return ret;
}

static int role_operate_hold(struct contender *contender)
{
	return role_operate_locked(contender, false);
}

static int role_operate_get_pfn(struct contender *contender)
{
	return role_operate_locked(contender, true);
}

static int role_begin_resolve(struct contender *contender)
{
	struct dma_buf_attachment *attach = role_attachment(contender, 0);
	const struct resolve_where where = {
		.path = contender->spec.path,
		.nr_pages = attach->dmabuf->size >> PAGE_SHIFT,
		.address = contender->spec.address,
	};
	int ret;

	/* Some paths read the page table of a process. */
	if (!role_is_user(contender))
		kthread_use_mm(contender->contention->mm);
	ret = testexp_resolve_begin(&contender->run, attach, &where);
	if (ret && !role_is_user(contender))
		kthread_unuse_mm(contender->contention->mm);
	return ret;
}

static void role_end_resolve(struct contender *contender)
{
	testexp_resolve_end(&contender->run);
	if (!role_is_user(contender))
		kthread_unuse_mm(contender->contention->mm);
}

static int role_operate_resolve(struct contender *contender)
{
	struct resolve_run *run = &contender->run;
	struct dma_resv *resv = role_resv(contender, 0);
	int ret = resolve_rewind(run, 1);

	if (ret)
		return ret;
	if (run->path->is_locked) {
		ret = role_lock(contender, resv, NULL);
		if (ret)
			return ret;
	}
	ret = run->path->run(run, 1);
	if (run->path->is_locked)
		dma_resv_unlock(resv);
	contender->counts.pages = run->pages;
	return ret;
}

static int role_operate_map(struct contender *contender)
{
	struct dma_buf_attachment *attach = role_attachment(contender, 0);
	struct sg_table *sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	contender_spin(contender, contender->spec.hold_ticks);
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	return 0;
}

/* The attachment of this role keeps no PFNs. */
static void role_move_notify(struct dma_buf_attachment *attach)
{
}

static const struct dma_buf_attach_ops role_attach_ops = {
	.allow_peer2peer = true,
	.testexp_move_notify = role_move_notify,
};

static const struct dma_buf_attach_ops role_attach_ops_no_p2p = {
	.allow_peer2peer = false,
	.testexp_move_notify = role_move_notify,
};

/*
 * Returns callbacks that attach in the same way as the importer @like is attached. Its own callback
 * would take the private data of the attachment for an importer.
 */
static const struct dma_buf_attach_ops *role_attach_ops_like(const struct dma_buf_attachment *like)
{
	if (!like->importer_ops)
		return NULL;
	return like->importer_ops->allow_peer2peer ? &role_attach_ops : &role_attach_ops_no_p2p;
}

static int role_operate_attach(struct contender *contender)
{
	const struct dma_buf_attachment *like = role_attachment(contender, 0);
	struct dma_buf_attachment *attach;

	attach = dma_buf_dynamic_attach(like->dmabuf, like->dev, role_attach_ops_like(like),
					contender);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	contender_spin(contender, contender->spec.hold_ticks);
	dma_buf_detach(like->dmabuf, attach);
	return 0;
}

static int role_add_fence(struct contender *contender, struct dma_fence *fence)
{
	struct dma_resv *resv = role_resv(contender, 0);
	u64 begin = testexp_clock(), locked;
	int ret = role_lock(contender, resv, NULL);

	if (ret)
		return ret;
	locked = testexp_clock();
	testexp_hist_add(&contender->wait, locked - begin);
	ret = dma_resv_reserve_fences(resv, 1);
	if (!ret)
		dma_resv_add_fence(resv, fence, DMA_RESV_USAGE_READ);
	testexp_hist_add(&contender->hold, testexp_clock() - locked);
	dma_resv_unlock(resv);
	return ret;
}

/* The fence signals before the operation is over, so nobody waits for long. */
static int role_operate_fence_add(struct contender *contender)
{
	struct dma_fence *fence;
	int ret;

	fence = testexp_fence_alloc(contender->fence_context, contender->counts.ops + 1);
	if (!fence)
		return -ENOMEM;

	ret = role_add_fence(contender, fence);
	if (!ret) {
		contender_spin(contender, contender->spec.hold_ticks);
		dma_fence_signal(fence);
	}
	dma_fence_put(fence);
	return ret;
}

static int role_operate_fence_wait(struct contender *contender)
{
	u64 begin = testexp_clock();
	long left = dma_resv_wait_timeout(role_resv(contender, 0), DMA_RESV_USAGE_BOOKKEEP,
					  role_is_user(contender),
					  msecs_to_jiffies(TESTEXP_WAIT_MS));

	if (left < 0)
		return left;
	if (!left) {
		contender->counts.timeouts++;
		return -ETIMEDOUT;
	}
	testexp_hist_add(&contender->wait, testexp_clock() - begin);
	return 0;
}

/* Indexed by enum testexp_role. */
static const struct role roles[TESTEXP_ROLES] = {
	[TESTEXP_ROLE_RESOLVE] = {
		.begin = role_begin_resolve,
		.end = role_end_resolve,
		.operate = role_operate_resolve,
	},
	[TESTEXP_ROLE_HOLD]		= { .operate = role_operate_hold, .sets = true },
	[TESTEXP_ROLE_LOCKED]		= { .operate = role_operate_get_pfn, .sets = true },
	[TESTEXP_ROLE_MAP]		= { .operate = role_operate_map },
	[TESTEXP_ROLE_ATTACH]		= { .operate = role_operate_attach },
	[TESTEXP_ROLE_FENCE_ADD]	= { .operate = role_operate_fence_add },
	[TESTEXP_ROLE_FENCE_WAIT]	= { .operate = role_operate_fence_wait },
};

/* Return: 0; -EINVAL for an unknown role, or a role that cannot have that path, address or set. */
int testexp_role_check(const struct testexp_contender *spec)
{
	if (spec->role >= TESTEXP_ROLES || !spec->count)
		return -EINVAL;
	if (spec->count > 1 && !roles[spec->role].sets)
		return -EINVAL;
	if (spec->role == TESTEXP_ROLE_RESOLVE)
		return testexp_resolve_check_path(spec->path, spec->address);
	return spec->path || spec->address ? -EINVAL : 0;
}

/* Prepares the role, in the thread that will operate. Return: 0 or a negative errno. */
int testexp_role_begin(struct contender *contender)
{
	const struct role *role = roles + contender->spec.role;

	return role->begin ? role->begin(contender) : 0;
}

/* Called after testexp_role_begin() has returned 0. */
void testexp_role_end(struct contender *contender)
{
	const struct role *role = roles + contender->spec.role;

	if (role->end)
		role->end(contender);
}

/* Makes one operation. Return: as operate of struct role. */
int testexp_role_operate(struct contender *contender)
{
	return roles[contender->spec.role].operate(contender);
}
