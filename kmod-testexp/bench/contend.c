// SPDX-License-Identifier: GPL-2.0
#include <linux/anon_inodes.h>
#include <linux/cpumask.h>
#include <linux/dma-fence.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "bench/contend.h"
#include "bench/roles.h"
#include "exporter/memory.h"
#include "importer/importer.h"

/* --- RUN ------------------------------------------------------------------- */

static int contention_thread(void *contender)
{
	return testexp_contender_run(contender);
}

static bool contention_makes_thread(const struct contender *contender)
{
	return !(contender->spec.flags & TESTEXP_CONTENDER_USER);
}

static int contention_make_thread(struct contender *contender, u32 index)
{
	struct task_struct *task = kthread_create(contention_thread, contender,
						  "testexp/%u", index);

	if (IS_ERR(task))
		return PTR_ERR(task);
	if (contender->spec.cpu >= 0)
		kthread_bind(task, contender->spec.cpu);
	/* The thread may end before kthread_stop(), which needs the task. */
	contender->task = get_task_struct(task);
	return 0;
}

/* Waits for the threads. A thread that was never woken ends without running. */
static void contention_stop_threads(struct contention *contention)
{
	u32 i;

	for (i = 0; i < contention->nr_contenders; i++) {
		struct contender *contender = contention->contenders + i;

		if (!contender->task)
			continue;
		kthread_stop(contender->task);
		put_task_struct(contender->task);
		contender->task = NULL;
	}
}

static int contention_make_threads(struct contention *contention)
{
	int ret;
	u32 i;

	for (i = 0; i < contention->nr_contenders; i++) {
		if (!contention_makes_thread(contention->contenders + i))
			continue;
		ret = contention_make_thread(contention->contenders + i, i);
		if (ret)
			return ret;
	}
	return 0;
}

static void contention_wake_threads(struct contention *contention)
{
	u32 i;

	for (i = 0; i < contention->nr_contenders; i++)
		if (contention->contenders[i].task)
			wake_up_process(contention->contenders[i].task);
}

/* Ends the contention, and waits until no thread takes part any more. */
static void contention_end(struct contention *contention)
{
	WRITE_ONCE(contention->stop, true);
	testexp_gate_abandon(&contention->gate);
	contention_stop_threads(contention);

	mutex_lock(&contention->lock);
	contention->state = CONTENTION_OVER;
	mutex_unlock(&contention->lock);
	/*
	 * The wait is as long as one operation, which may wait TESTEXP_WAIT_MS for a fence, or for
	 * a lock. The caller reads the counts that the threads have written.
	 */
	wait_event(contention->wait, !atomic_read_acquire(&contention->inside));
}

static u64 contention_ticks(const struct contention *contention)
{
	u64 last = 0;
	u32 i;

	if (!testexp_gate_is_open(&contention->gate))
		return 0;
	for (i = 0; i < contention->nr_contenders; i++)
		last = max(last, contention->contenders[i].counts.done_ticks);
	return last - min(last, contention->gate.opened_ticks);
}

/* Return: jiffies left, 0 when the time is over, or a negative errno when a signal came. */
static long contention_wait(struct contention *contention)
{
	return wait_event_interruptible_timeout(contention->wait,
						!atomic_read(&contention->running),
						msecs_to_jiffies(contention->timeout_ms));
}

static int contention_begin(struct contention *contention)
{
	int ret = 0;

	mutex_lock(&contention->lock);
	if (contention->state != CONTENTION_NEW)
		ret = -EBUSY;
	else
		contention->state = CONTENTION_RUNNING;
	mutex_unlock(&contention->lock);
	return ret;
}

static int contention_run(struct testexp_call *call)
{
	struct contention *contention = call->owner;
	struct testexp_run *args = call->args;
	long left;
	int ret;

	if (args->reserved)
		return -EINVAL;
	ret = contention_begin(contention);
	if (ret)
		return ret;

	contention->mm = current->mm;
	ret = contention_make_threads(contention);
	if (ret) {
		contention_end(contention);
		return ret;
	}
	contention_wake_threads(contention);
	testexp_gate_arrive(&contention->gate);
	left = contention_wait(contention);
	contention_end(contention);
	if (left < 0)
		return -EINTR;

	args->expired = !left;
	args->ticks = contention_ticks(contention);
	return testexp_respond(call);
}

/* --- JOIN, REPORT ---------------------------------------------------------- */

static int contention_take(struct contention *contention, struct contender *contender)
{
	int ret = 0;

	mutex_lock(&contention->lock);
	if (contender->taken || contention->state == CONTENTION_OVER) {
		ret = -EBUSY;
	} else {
		contender->taken = true;
		atomic_inc(&contention->inside);
	}
	mutex_unlock(&contention->lock);
	return ret;
}

static int contention_join(struct testexp_call *call)
{
	struct contention *contention = call->owner;
	const struct testexp_join *args = call->args;
	struct contender *contender;
	int ret;

	if (args->reserved || args->contender >= contention->nr_contenders)
		return -EINVAL;
	contender = contention->contenders + args->contender;
	if (contention_makes_thread(contender))
		return -EINVAL;
	ret = contention_take(contention, contender);
	if (ret)
		return ret;

	ret = testexp_contender_run(contender);
	if (atomic_dec_and_test(&contention->inside))
		wake_up_all(&contention->wait);
	return ret;
}

static int contention_copy_hist(u64 user_hist, const struct testexp_hist *hist)
{
	if (user_hist && copy_to_user(u64_to_user_ptr(user_hist), hist, sizeof(*hist)))
		return -EFAULT;
	return 0;
}

static int contention_copy_hists(const struct testexp_report *args,
				 const struct contender *contender)
{
	int ret = contention_copy_hist(args->wait, &contender->wait);

	if (!ret)
		ret = contention_copy_hist(args->hold, &contender->hold);
	if (!ret)
		ret = contention_copy_hist(args->op, &contender->op);
	return ret;
}

static bool contention_is_over(struct contention *contention)
{
	bool over;

	mutex_lock(&contention->lock);
	over = contention->state == CONTENTION_OVER && !atomic_read_acquire(&contention->inside);
	mutex_unlock(&contention->lock);
	return over;
}

static int contention_report(struct testexp_call *call)
{
	struct contention *contention = call->owner;
	struct testexp_report *args = call->args, asked = *args;
	const struct contender *contender;
	int ret;

	if (args->contender >= contention->nr_contenders)
		return -EINVAL;
	if (!contention_is_over(contention))
		return -EBUSY;

	contender = contention->contenders + args->contender;
	*args = contender->counts;
	args->size = asked.size;
	args->contender = asked.contender;
	args->wait = asked.wait;
	args->hold = asked.hold;
	args->op = asked.op;
	ret = contention_copy_hists(args, contender);
	return ret ? ret : testexp_respond(call);
}

/* --- the descriptor -------------------------------------------------------- */

static const struct testexp_ioctl contention_rows[] = {
	TESTEXP_IOCTL(TESTEXP_IOC_JOIN, struct testexp_join, reserved, 0, contention_join),
	TESTEXP_IOCTL(TESTEXP_IOC_RUN, struct testexp_run, reserved, 0, contention_run),
	TESTEXP_IOCTL(TESTEXP_IOC_REPORT, struct testexp_report, op, 0, contention_report),
};

static const struct testexp_ioctls contention_ioctls = {
	.rows = contention_rows,
	.nr_rows = ARRAY_SIZE(contention_rows),
};

static long contention_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return testexp_ioctl(&contention_ioctls, file->private_data, cmd, (void __user *)arg);
}

/* @contention is only used for its type. */
static size_t contention_bytes(const struct contention *contention, u32 nr_contenders)
{
	return struct_size(contention, contenders, nr_contenders);
}

static void contention_free(struct contention *contention)
{
	while (contention->nr_importers--)
		testexp_importer_put(contention->importers[contention->nr_importers]);
	mutex_destroy(&contention->lock);
	testexp_memory_kvfree(contention, contention_bytes(contention, contention->nr_contenders));
}

static int contention_release(struct inode *inode, struct file *file)
{
	contention_free(file->private_data);
	return 0;
}

static const struct file_operations contention_fops = {
	.owner = THIS_MODULE,
	.release = contention_release,
	.unlocked_ioctl = contention_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static int contention_check(const struct testexp_contend *args)
{
	if (!args->nr_importers || args->nr_importers > TESTEXP_MAX_CONTENDED ||
	    !args->nr_contenders || args->nr_contenders > TESTEXP_MAX_CONTENDERS ||
	    !args->timeout_ms || args->timeout_ms > TESTEXP_MAX_RUN_MS)
		return -EINVAL;
	return 0;
}

static struct contention *contention_alloc(const struct testexp_contend *args)
{
	struct contention *contention = NULL;

	contention = testexp_memory_kvzalloc(contention_bytes(contention, args->nr_contenders));
	if (IS_ERR(contention))
		return contention;

	contention->run_ticks = args->run_ticks;
	contention->timeout_ms = args->timeout_ms;
	contention->nr_contenders = args->nr_contenders;
	/* The thread that calls RUN arrives as well. */
	testexp_gate_init(&contention->gate, args->nr_contenders + 1);
	mutex_init(&contention->lock);
	atomic_set(&contention->running, args->nr_contenders);
	init_waitqueue_head(&contention->wait);
	return contention;
}

static int contention_get_importers(struct contention *contention,
				    const struct testexp_contend *args)
{
	const s32 __user *fds = u64_to_user_ptr(args->importers);
	struct importer *importer;
	s32 fd;

	while (contention->nr_importers < args->nr_importers) {
		if (get_user(fd, fds + contention->nr_importers))
			return -EFAULT;
		importer = testexp_importer_get(fd);
		if (IS_ERR(importer))
			return PTR_ERR(importer);
		contention->importers[contention->nr_importers++] = importer;
	}
	return 0;
}

/*
 * Returns whether two buffers of the set have the same lock, which a contender cannot take twice.
 * Buffers of other exporters may share a lock.
 */
static bool contender_has_doubles(const struct contender *contender)
{
	u32 i, j;

	for (i = 1; i < contender->spec.count; i++)
		for (j = 0; j < i; j++)
			if (contender->importers[i]->attach->dmabuf->resv ==
			    contender->importers[j]->attach->dmabuf->resv)
				return true;
	return false;
}

static int contender_check(const struct testexp_contender *spec, u32 nr_importers)
{
	if (spec->flags & ~TESTEXP_CONTENDER_FLAGS)
		return -EOPNOTSUPP;
	if (spec->first >= nr_importers || spec->count > nr_importers - spec->first ||
	    spec->hold_ticks > TESTEXP_MAX_HOLD_TICKS ||
	    spec->idle_ticks > TESTEXP_MAX_HOLD_TICKS || spec->cpu < -1)
		return -EINVAL;
	if (spec->cpu >= 0 && spec->flags & TESTEXP_CONTENDER_USER)
		return -EINVAL;
	if (spec->cpu >= 0 && (spec->cpu >= nr_cpu_ids || !cpu_online(spec->cpu)))
		return -ENXIO;
	return testexp_role_check(spec);
}

static int contender_init(struct contender *contender, struct contention *contention, u64 seed)
{
	const struct testexp_contender *spec = &contender->spec;
	int ret = contender_check(spec, contention->nr_importers);
	u32 i;

	if (ret)
		return ret;
	contender->contention = contention;
	contender->importers = contention->importers + spec->first;
	if (contender_has_doubles(contender))
		return -EINVAL;

	prandom_seed_state(&contender->random, seed);
	for (i = 0; i < spec->count; i++)
		contender->order[i] = i;
	contender->fence_context = dma_fence_context_alloc(1);
	testexp_hist_reset(&contender->wait);
	testexp_hist_reset(&contender->hold);
	testexp_hist_reset(&contender->op);
	if (spec->ops)
		atomic_inc(&contention->limited);
	return 0;
}

static int contention_init_contenders(struct contention *contention,
				      const struct testexp_contend *args)
{
	const struct testexp_contender __user *specs = u64_to_user_ptr(args->contenders);
	u32 i;
	int ret;

	for (i = 0; i < args->nr_contenders; i++) {
		struct contender *contender = contention->contenders + i;

		if (copy_from_user(&contender->spec, specs + i, sizeof(*specs)))
			return -EFAULT;
		ret = contender_init(contender, contention, args->seed + i);
		if (ret)
			return ret;
	}
	/* Without run_ticks and without a limit, the contention would only end by its timeout. */
	return args->run_ticks || atomic_read(&contention->limited) ? 0 : -EINVAL;
}

/**
 * testexp_contention_create - serve TESTEXP_IOC_CONTEND: see struct testexp_contend
 * @args: arguments of the caller
 *
 * Return: a file that holds references of the importers, or a negative errno.
 */
struct file *testexp_contention_create(const struct testexp_contend *args)
{
	struct contention *contention;
	struct file *file;
	int ret = contention_check(args);

	if (ret)
		return ERR_PTR(ret);
	contention = contention_alloc(args);
	if (IS_ERR(contention))
		return ERR_CAST(contention);

	ret = contention_get_importers(contention, args);
	if (!ret)
		ret = contention_init_contenders(contention, args);
	if (ret)
		goto err;

	file = anon_inode_getfile("[dmabuf_testexp-contention]", &contention_fops, contention,
				  O_RDWR);
	if (!IS_ERR(file))
		return file;
	ret = PTR_ERR(file);
err:
	contention_free(contention);
	return ERR_PTR(ret);
}
