// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debug_locks.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fcntl.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "exporter/exporter.h"
#include "compat.h"
#include "misuse.h"

static bool allow_misuse;
module_param(allow_misuse, bool, 0400);
MODULE_PARM_DESC(allow_misuse, "Let root make calls that the kernel answers with a WARNING");

bool testexp_misuse_allowed(void)
{
	return allow_misuse;
}

/* --- exporters with any set of callbacks ---------------------------------- */

/*
 * The callbacks that an exporter must have. An exporter with these alone has no callback that
 * takes the reservation lock while the core attaches or detaches.
 */
#define MISUSE_PLAIN	(TESTEXP_EXPORT_PRIV | TESTEXP_EXPORT_RELEASE | \
			 TESTEXP_EXPORT_MAP | TESTEXP_EXPORT_UNMAP)

static struct sg_table *misuse_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction direction)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static void misuse_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			 enum dma_data_direction direction)
{
}

static int misuse_pin(struct dma_buf_attachment *attach)
{
	return 0;
}

static void misuse_unpin(struct dma_buf_attachment *attach)
{
}

static int misuse_op_get_pfn(struct dma_buf_attachment *attach, pgoff_t pgoff,
			     u64 *pfn, int *max_order)
{
	*pfn = pgoff;
	*max_order = 0;
	return 0;
}

#if TESTEXP_HAS_PFN_ATTRS

static int misuse_op_get_pfn_attrs(struct dma_buf_attachment *attach, pgoff_t pgoff,
				   struct dma_buf_pfn_attrs *attrs)
{
	*attrs = (struct dma_buf_pfn_attrs) {};
	return 0;
}

#endif

static void misuse_set_attrs(struct dma_buf_ops *ops)
{
#if TESTEXP_HAS_PFN_ATTRS
	ops->get_pfn_attrs = misuse_op_get_pfn_attrs;
#endif
}

static void misuse_release(struct dma_buf *dmabuf)
{
	kfree(container_of(dmabuf->ops, struct testexp_ops, base));
}

static void misuse_fill_ops(struct testexp_ops *ops, u32 flags)
{
	struct dma_buf_ops *base = &ops->base;

	testexp_ops_set_sgt_cache(base, flags & TESTEXP_EXPORT_CACHE);
	if (flags & TESTEXP_EXPORT_RELEASE)
		base->release = misuse_release;
	if (flags & TESTEXP_EXPORT_MAP)
		base->map_dma_buf = misuse_map;
	if (flags & TESTEXP_EXPORT_UNMAP)
		base->unmap_dma_buf = misuse_unmap;
	if (flags & TESTEXP_EXPORT_PIN)
		base->pin = misuse_pin;
	if (flags & TESTEXP_EXPORT_UNPIN)
		base->unpin = misuse_unpin;
	if (flags & TESTEXP_EXPORT_GET_PFN)
		testexp_ops_set_get_pfn(ops, misuse_op_get_pfn);
	if (flags & TESTEXP_EXPORT_ATTRS)
		misuse_set_attrs(base);
}

static struct dma_buf *misuse_export_bytes(u32 flags, size_t bytes)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct testexp_ops *ops;
	struct dma_buf *dmabuf;

	ops = kzalloc(sizeof(*ops), GFP_KERNEL_ACCOUNT);
	if (!ops)
		return ERR_PTR(-ENOMEM);
	misuse_fill_ops(ops, flags);

	info.ops = flags & TESTEXP_EXPORT_NO_OPS ? NULL : &ops->base;
	info.size = bytes;
	info.flags = O_CLOEXEC;
	info.priv = flags & TESTEXP_EXPORT_PRIV ? ops : NULL;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		kfree(ops);
	return dmabuf;
}

static struct dma_buf *misuse_export_ops(u32 flags)
{
	return misuse_export_bytes(flags, PAGE_SIZE);
}

static int misuse_export(u32 flags, struct device *dev, int *result)
{
	struct dma_buf *dmabuf;

	if (flags & TESTEXP_EXPORT_GET_PFN && !TESTEXP_IS_NATIVE)
		return -EOPNOTSUPP;
	if (flags & TESTEXP_EXPORT_ATTRS && !TESTEXP_HAS_PFN_ATTRS)
		return -EOPNOTSUPP;

	dmabuf = misuse_export_ops(flags);
	*result = PTR_ERR_OR_ZERO(dmabuf);
	if (!*result)
		dma_buf_put(dmabuf);
	return 0;
}

/*
 * Attaches and detaches. @ops has the exporter's callbacks: TESTEXP_EXPORT_*. The lock of
 * @held_at_attach is held during the attach, the lock of @held_at_detach during the detach. Either
 * pointer may be NULL.
 */
static int misuse_attach_detach(u32 ops, struct device *dev, struct dma_buf *held_at_attach,
				struct dma_buf *held_at_detach, int *result)
{
	struct dma_buf *dmabuf = misuse_export_ops(ops);
	struct dma_buf_attachment *attach;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	if (held_at_attach)
		dma_resv_lock(held_at_attach->resv, NULL);
	attach = dma_buf_attach(dmabuf, dev);
	if (held_at_attach)
		dma_resv_unlock(held_at_attach->resv);

	*result = PTR_ERR_OR_ZERO(attach);
	if (!*result) {
		if (held_at_detach)
			dma_resv_lock(held_at_detach->resv, NULL);
		dma_buf_detach(dmabuf, attach);
		if (held_at_detach)
			dma_resv_unlock(held_at_detach->resv);
	}
	dma_buf_put(dmabuf);
	return 0;
}

/* --- NULL arguments -------------------------------------------------------- */

static int misuse_null_buffer(u32 flags, struct device *dev, int *result)
{
	*result = PTR_ERR_OR_ZERO(dma_buf_attach(NULL, dev));
	return 0;
}

/* A call that fails must not write to its outputs. */
static int misuse_judge(int ret, u64 pfn, int order)
{
	bool touched = pfn != TESTEXP_UNTOUCHED_PFN || order != TESTEXP_UNTOUCHED_ORDER;

	return ret && touched ? -EUCLEAN : ret;
}

static int misuse_null_attach(u32 flags, struct device *dev, int *result)
{
	u64 pfn = TESTEXP_UNTOUCHED_PFN;
	int order = TESTEXP_UNTOUCHED_ORDER;

	*result = misuse_judge(testexp_get_pfn(NULL, 0, &pfn, &order), pfn, order);
	return 0;
}

static int misuse_null_attach_unlocked(u32 flags, struct device *dev, int *result)
{
	u64 pfn = TESTEXP_UNTOUCHED_PFN;
	int order = TESTEXP_UNTOUCHED_ORDER;

	*result = misuse_judge(testexp_get_pfn_unlocked(NULL, 0, &pfn, &order), pfn, order);
	return 0;
}

/* Makes a buffer of one page. @args has the flags of CREATE. */
static struct dma_buf *misuse_create(struct testexp_create args)
{
	struct testexp_extent extent = {
		.nr_pages = 1, .repeat = 1, .type = TESTEXP_EXTENT_RAM,
	};

	args.nr_extents = 1;
	return testexp_exporter_create(&args, &extent);
}

/*
 * Makes a buffer of one page with an importer, which is static when @ops is NULL. misuse_close()
 * undoes this. @args has the flags of CREATE.
 */
static struct dma_buf_attachment *misuse_open_as(struct testexp_create args,
						 const struct dma_buf_attach_ops *ops,
						 struct device *dev)
{
	struct dma_buf *dmabuf = misuse_create(args);
	struct dma_buf_attachment *attach;

	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);

	attach = dma_buf_dynamic_attach(dmabuf, dev, ops, NULL);
	if (IS_ERR(attach))
		dma_buf_put(dmabuf);
	return attach;
}

static struct dma_buf_attachment *misuse_open(struct device *dev)
{
	return misuse_open_as((struct testexp_create) {}, NULL, dev);
}

static void misuse_close(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	dma_buf_detach(dmabuf, attach);
	dma_buf_put(dmabuf);
}

static int misuse_null_pfn(u32 flags, struct device *dev, int *result)
{
	struct dma_buf_attachment *attach = misuse_open(dev);
	int order = TESTEXP_UNTOUCHED_ORDER;
	int ret;

	if (IS_ERR(attach))
		return PTR_ERR(attach);

	dma_resv_lock(attach->dmabuf->resv, NULL);
	ret = testexp_get_pfn(attach, 0, NULL, &order);
	dma_resv_unlock(attach->dmabuf->resv);
	*result = misuse_judge(ret, TESTEXP_UNTOUCHED_PFN, order);
	misuse_close(attach);
	return 0;
}

static int misuse_null_pfn_unlocked(u32 flags, struct device *dev, int *result)
{
	struct dma_buf_attachment *attach = misuse_open(dev);
	int order = TESTEXP_UNTOUCHED_ORDER;
	int ret;

	if (IS_ERR(attach))
		return PTR_ERR(attach);

	ret = testexp_get_pfn_unlocked(attach, 0, NULL, &order);
	*result = misuse_judge(ret, TESTEXP_UNTOUCHED_PFN, order);
	misuse_close(attach);
	return 0;
}

#if TESTEXP_HAS_PFN_ATTRS

#define MISUSE_UNTOUCHED_BYTE	0xa5

/* As misuse_judge(): returns -EUCLEAN for a failed call that wrote to its output. */
static int misuse_get_attrs(struct dma_buf_attachment *attach, pgoff_t pgoff)
{
	struct dma_buf_pfn_attrs attrs;
	int ret;

	memset(&attrs, MISUSE_UNTOUCHED_BYTE, sizeof(attrs));
	ret = dma_buf_get_pfn_attrs(attach, pgoff, &attrs);
	return ret && memchr_inv(&attrs, MISUSE_UNTOUCHED_BYTE, sizeof(attrs)) ? -EUCLEAN : ret;
}

static int misuse_null_attach_attrs(u32 flags, struct device *dev, int *result)
{
	*result = misuse_get_attrs(NULL, 0);
	return 0;
}

static int misuse_null_attrs(u32 flags, struct device *dev, int *result)
{
	struct dma_buf_attachment *attach = misuse_open(dev);

	if (IS_ERR(attach))
		return PTR_ERR(attach);

	dma_resv_lock(attach->dmabuf->resv, NULL);
	*result = dma_buf_get_pfn_attrs(attach, 0, NULL);
	dma_resv_unlock(attach->dmabuf->resv);
	misuse_close(attach);
	return 0;
}

static int misuse_attrs_lock_missing(u32 flags, struct device *dev, int *result)
{
	struct dma_buf_attachment *attach = misuse_open(dev);

	if (IS_ERR(attach))
		return PTR_ERR(attach);

	*result = misuse_get_attrs(attach, 0);
	misuse_close(attach);
	return 0;
}

#else

static int misuse_null_attach_attrs(u32 flags, struct device *dev, int *result)
{
	return -EOPNOTSUPP;
}

#define misuse_null_attrs		misuse_null_attach_attrs
#define misuse_attrs_lock_missing	misuse_null_attach_attrs

#endif

/* --- pins ----------------------------------------------------------------------- */

/* An importer that does not hear of moves, so only a pin gives it PFNs of a movable buffer. */
static const struct dma_buf_attach_ops misuse_no_callback = {
	.allow_peer2peer = true,
};

static struct dma_buf_attachment *misuse_open_movable(u32 inject, struct device *dev)
{
	const struct testexp_create args = {
		.flags = TESTEXP_CREATE_DYNAMIC, .inject = inject,
	};

	return misuse_open_as(args, &misuse_no_callback, dev);
}

static int misuse_unpin_without_pin(u32 flags, struct device *dev, int *result)
{
	struct dma_buf_attachment *attach;
	struct testexp_stats stats = {};
	int order, ret;
	u64 pfn;

	if (!TESTEXP_HAS_PFN_ATTRS)
		return -EOPNOTSUPP;
	attach = misuse_open_movable(0, dev);
	if (IS_ERR(attach))
		return PTR_ERR(attach);

	dma_resv_lock(attach->dmabuf->resv, NULL);
	dma_buf_unpin(attach);
	*result = testexp_get_pfn(attach, 0, &pfn, &order);
	dma_resv_unlock(attach->dmabuf->resv);
	ret = testexp_exporter_stats(attach->dmabuf, &stats);
	if (!ret && stats.unpins != 1)
		*result = -EUCLEAN;
	misuse_close(attach);
	return ret;
}

/*
 * The exporter has neither attach nor detach, and its map fails. A kernel that maps a movable
 * buffer at attach runs the error path of attach. With any other kernel the importer detaches.
 */
static int misuse_no_attach_callback(u32 flags, struct device *dev, int *result)
{
	return misuse_attach_detach(MISUSE_PLAIN | TESTEXP_EXPORT_PIN | TESTEXP_EXPORT_UNPIN, dev,
				    NULL, NULL, result);
}

/* Returns whether the importer gets a PFN as it should. */
static bool misuse_gets_pfn(struct dma_buf_attachment *attach, bool wanted)
{
	int order;
	u64 pfn;

	return testexp_get_pfn(attach, 0, &pfn, &order) == (wanted ? 0 : -ENOENT);
}

/* Returns 0, or the number of the first wrong step. */
static int misuse_pin_twice(struct dma_buf_attachment *attach)
{
	if (!misuse_gets_pfn(attach, false))
		return 1;
	if (dma_buf_pin(attach) || !misuse_gets_pfn(attach, true))
		return 2;
	if (dma_buf_pin(attach) || !misuse_gets_pfn(attach, true))
		return 3;
	dma_buf_unpin(attach);
	if (!misuse_gets_pfn(attach, true))
		return 4;
	dma_buf_unpin(attach);
	return misuse_gets_pfn(attach, false) ? 0 : 5;
}

/*
 * More pins than 16 bits can count. With lockdep a call is slow, so there are only more pins than 8
 * bits can count.
 */
#define MISUSE_MANY_PINS	(IS_ENABLED(CONFIG_PROVE_LOCKING) ? 300 : 65536 + 44)

static int misuse_pin_often(struct dma_buf_attachment *attach)
{
	int i;

	for (i = 0; i < MISUSE_MANY_PINS; i++) {
		if (dma_buf_pin(attach) || !misuse_gets_pfn(attach, true))
			return 11;
		cond_resched();
	}
	for (i = 1; i < MISUSE_MANY_PINS; i++) {
		dma_buf_unpin(attach);
		if (!misuse_gets_pfn(attach, true))
			return 12;
		cond_resched();
	}
	dma_buf_unpin(attach);
	return misuse_gets_pfn(attach, false) ? 0 : 13;
}

static int misuse_pin_fails(struct dma_buf_attachment *attach)
{
	return dma_buf_pin(attach) == -ENOSPC && misuse_gets_pfn(attach, false) ? 0 : 6;
}

/* The importer is static, so the core pins the buffer for its mapping. */
static int misuse_map_pins(struct dma_buf_attachment *attach)
{
	struct sg_table *sgt = dma_buf_map_attachment(attach, DMA_BIDIRECTIONAL);
	bool refused;

	if (IS_ERR(sgt))
		return 7;
	refused = misuse_gets_pfn(attach, false);
	dma_buf_unmap_attachment(attach, sgt, DMA_BIDIRECTIONAL);
	if (!refused)
		return 8;
	return misuse_gets_pfn(attach, false) ? 0 : 9;
}

/* Returns the result of the steps; 10 when the exporter has not as many unpins as pins. */
static int misuse_steps(struct dma_buf_attachment *attach,
			int (*steps)(struct dma_buf_attachment *attach), int *result)
{
	struct testexp_stats stats = {};
	int ret;

	if (IS_ERR(attach))
		return PTR_ERR(attach);

	dma_resv_lock(attach->dmabuf->resv, NULL);
	*result = steps(attach);
	dma_resv_unlock(attach->dmabuf->resv);
	ret = testexp_exporter_stats(attach->dmabuf, &stats);
	if (!ret && !*result && stats.pins != stats.unpins)
		*result = 10;
	misuse_close(attach);
	return ret;
}

static int misuse_pins(u32 flags, struct device *dev, int *result)
{
	const struct testexp_create movable = { .flags = TESTEXP_CREATE_DYNAMIC };
	int ret;

	if (!TESTEXP_NOTIFY_IS_OPTIONAL)
		return -EOPNOTSUPP;

	ret = misuse_steps(misuse_open_movable(0, dev), misuse_pin_twice, result);
	if (!ret && !*result)
		ret = misuse_steps(misuse_open_movable(0, dev), misuse_pin_often, result);
	if (!ret && !*result)
		ret = misuse_steps(misuse_open_movable(TESTEXP_INJECT_PIN, dev), misuse_pin_fails,
				   result);
	if (!ret && !*result)
		ret = misuse_steps(misuse_open_as(movable, NULL, dev), misuse_map_pins, result);
	return ret;
}

/* --- bounds ----------------------------------------------------------------- */

static int misuse_ask(struct dma_buf_attachment *attach, pgoff_t pgoff)
{
	u64 pfn = TESTEXP_UNTOUCHED_PFN;
	int order = TESTEXP_UNTOUCHED_ORDER;
	int ret;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	ret = testexp_get_pfn(attach, pgoff, &pfn, &order);
	dma_resv_unlock(attach->dmabuf->resv);
	return misuse_judge(ret, pfn, order);
}

static int misuse_ask_unlocked(struct dma_buf_attachment *attach, pgoff_t pgoff)
{
	u64 pfn = TESTEXP_UNTOUCHED_PFN;
	int order = TESTEXP_UNTOUCHED_ORDER;
	int ret = testexp_get_pfn_unlocked(attach, pgoff, &pfn, &order);

	return misuse_judge(ret, pfn, order);
}

#if TESTEXP_HAS_PFN_ATTRS

static int misuse_ask_attrs(struct dma_buf_attachment *attach, pgoff_t pgoff)
{
	int ret;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	ret = misuse_get_attrs(attach, pgoff);
	dma_resv_unlock(attach->dmabuf->resv);
	return ret;
}

#else

#define misuse_ask_attrs	misuse_ask

#endif

/**
 * struct misuse_odd_size - a page of a buffer that has a part of a page at its end
 * @bytes: size of the buffer
 * @pgoff: the page
 * @error: what each call returns for the page
 */
struct misuse_odd_size {
	size_t bytes;
	pgoff_t pgoff;
	int error;
};

static const struct misuse_odd_size misuse_odd_sizes[] = {
	{ PAGE_SIZE + 1, 0, 0 },
	{ PAGE_SIZE + 1, 1, -EINVAL },
	/* The buffer has no whole page, so there is no last page to compare with. */
	{ PAGE_SIZE - 1, 0, -EINVAL },
	{ PAGE_SIZE - 1, ULONG_MAX, -EINVAL },
};

/* Returns 0, or a negative errno when the question could not be asked. */
static int misuse_ask_odd_size(const struct misuse_odd_size *page, struct device *dev, bool *right)
{
	struct dma_buf *dmabuf = misuse_export_bytes(MISUSE_PLAIN | TESTEXP_EXPORT_GET_PFN |
						     TESTEXP_EXPORT_ATTRS, page->bytes);
	struct dma_buf_attachment *attach;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	attach = dma_buf_attach(dmabuf, dev);
	if (IS_ERR(attach)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(attach);
	}

	*right = misuse_ask(attach, page->pgoff) == page->error &&
		 misuse_ask_unlocked(attach, page->pgoff) == page->error &&
		 misuse_ask_attrs(attach, page->pgoff) == page->error;
	misuse_close(attach);
	return 0;
}

static int misuse_odd_size(u32 flags, struct device *dev, int *result)
{
	bool right;
	int i, ret;

	*result = 0;
	for (i = 0; i < ARRAY_SIZE(misuse_odd_sizes) && !*result; i++) {
		ret = misuse_ask_odd_size(misuse_odd_sizes + i, dev, &right);
		if (ret)
			return ret;
		if (!right)
			*result = i + 1;
	}
	return 0;
}

/* --- helpers of the kernel that are inline functions -------------------------- */

#if TESTEXP_HAS_PFN_MAX_ORDER

/**
 * struct misuse_run - arguments of dma_buf_pfn_max_order()
 * @pgoff: a page of the run
 * @pfn: its PFN
 * @start: the first page of the run
 * @end: the page after the run
 */
struct misuse_run {
	u64 pgoff;
	u64 pfn;
	u64 start;
	u64 end;
};

static const struct misuse_run misuse_runs[] = {
	/* A run of one page, at the start of the buffer and elsewhere. */
	{ 0, 0, 0, 1 },
	{ 0, 7, 0, 1 },
	{ 5, 13, 5, 6 },
	/* The start, the end or the PFN is not aligned. */
	{ 3, 3, 1, 7 },
	{ 6, 14, 1, 7 },
	{ 4, 20, 1, 9 },
	{ 5, 6, 0, 8 },
	{ 9, 11, 0, 64 },
	/* The PFN is pgoff. */
	{ 5, 5, 4, 8 },
	{ 0, 0, 0, 512 },
	/* The run, or what comes before its block, needs more than 32 bits. */
	{ 0, 0, 0, BIT_ULL(33) },
	{ 0, 1, 0, BIT_ULL(33) },
	{ 1, 1, 0, BIT_ULL(33) },
	{ 1, BIT_ULL(32) + 1, 0, BIT_ULL(33) },
	{ 77, BIT_ULL(34) + 77, 0, BIT_ULL(33) },
	{ BIT_ULL(33) - 1, BIT_ULL(33) - 1, 1, BIT_ULL(33) },
	/* pgoff needs more than 32 bits. */
	{ BIT_ULL(32), BIT_ULL(32), BIT_ULL(32), BIT_ULL(33) },
	{ BIT_ULL(32), 3 * BIT_ULL(32), 0, BIT_ULL(34) },
	{ BIT_ULL(32), 0, BIT_ULL(32), BIT_ULL(32) + 1 },
	{ BIT_ULL(40) + 6, 6, BIT_ULL(40), BIT_ULL(40) + 8 },
	{ 3 * BIT_ULL(32), 3 * BIT_ULL(32), 3 * BIT_ULL(32) - 1, 3 * BIT_ULL(32) + BIT_ULL(31) },
};

/* Whether an importer may map the block of this order that contains the page. */
static bool misuse_may_map(const struct misuse_run *run, int order)
{
	u64 inside = BIT_ULL(order) - 1;
	u64 first = run->pgoff & ~inside;
	u64 last = run->pgoff | inside;

	return first >= run->start && last < run->end &&
	       (run->pfn & inside) == (run->pgoff & inside);
}

static int misuse_largest_order(const struct misuse_run *run)
{
	int order = 0;

	while (misuse_may_map(run, order + 1))
		order++;
	return order;
}

static int misuse_max_order(u32 flags, struct device *dev, int *result)
{
	int i;

	*result = 0;
	for (i = 0; i < ARRAY_SIZE(misuse_runs) && !*result; i++) {
		const struct misuse_run *run = misuse_runs + i;

		if (dma_buf_pfn_max_order(run->pgoff, run->pfn, run->start, run->end) !=
		    misuse_largest_order(run))
			*result = i + 1;
	}
	return 0;
}

#else

static int misuse_max_order(u32 flags, struct device *dev, int *result)
{
	return -EOPNOTSUPP;
}

#endif

#if TESTEXP_HAS_REVOCABLE

static bool misuse_tells_class(struct dma_buf *dmabuf, u32 flags)
{
	bool dynamic = flags & TESTEXP_CREATE_DYNAMIC;
	bool revocable = flags & TESTEXP_CREATE_REVOCABLE;

	return dma_buf_is_dynamic(dmabuf) == dynamic &&
	       dma_buf_is_revocable(dmabuf) == revocable &&
	       dma_buf_is_fixed(dmabuf) == (!dynamic && !revocable);
}

static int misuse_classes(u32 flags, struct device *dev, int *result)
{
	static const u32 classes[] = {
		0, TESTEXP_CREATE_DYNAMIC, TESTEXP_CREATE_REVOCABLE,
		TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_REVOCABLE,
	};
	int i;

	*result = 0;
	for (i = 0; i < ARRAY_SIZE(classes) && !*result; i++) {
		struct testexp_create args = { .flags = classes[i] };
		struct dma_buf *dmabuf = misuse_create(args);

		if (IS_ERR(dmabuf))
			return PTR_ERR(dmabuf);
		if (!misuse_tells_class(dmabuf, classes[i]))
			*result = i + 1;
		dma_buf_put(dmabuf);
	}
	return 0;
}

#else

static int misuse_classes(u32 flags, struct device *dev, int *result)
{
	return -EOPNOTSUPP;
}

#endif

/* --- locks ------------------------------------------------------------------ */

/* The lock by which an importer protects its page table. */
static DEFINE_MUTEX(misuse_importer_lock);

static int misuse_lock_missing(u32 flags, struct device *dev, int *result)
{
	struct dma_buf_attachment *attach = misuse_open(dev);
	int order;
	u64 pfn;

	if (IS_ERR(attach))
		return PTR_ERR(attach);

	*result = testexp_get_pfn(attach, 0, &pfn, &order);
	misuse_close(attach);
	return 0;
}

static int misuse_lock_nested(u32 flags, struct device *dev, int *result)
{
	struct dma_buf_attachment *attach = misuse_open(dev);
	int order;
	u64 pfn;

	if (IS_ERR(attach))
		return PTR_ERR(attach);

	dma_resv_lock(attach->dmabuf->resv, NULL);
	mutex_lock(&misuse_importer_lock);
	*result = testexp_get_pfn(attach, 0, &pfn, &order);
	mutex_unlock(&misuse_importer_lock);
	dma_resv_unlock(attach->dmabuf->resv);
	misuse_close(attach);
	return 0;
}

/* Nobody else has the reservation lock, so the call does not really sleep. */
static int misuse_atomic(u32 flags, struct device *dev, int *result)
{
	struct dma_buf_attachment *attach = misuse_open(dev);
	int order;
	u64 pfn;

	if (IS_ERR(attach))
		return PTR_ERR(attach);

	preempt_disable();
	*result = testexp_get_pfn_unlocked(attach, 0, &pfn, &order);
	preempt_enable();
	misuse_close(attach);
	return 0;
}

/*
 * Takes the locks in the right order first. lockdep reports the wrong order only when it has
 * seen the right one.
 */
static int misuse_lock_outside(u32 flags, struct device *dev, int *result)
{
	struct dma_buf_attachment *attach;
	int order, ret;
	u64 pfn;

	ret = misuse_lock_nested(flags, dev, result);
	if (ret)
		return ret;
	attach = misuse_open(dev);
	if (IS_ERR(attach))
		return PTR_ERR(attach);

	mutex_lock(&misuse_importer_lock);
	*result = testexp_get_pfn_unlocked(attach, 0, &pfn, &order);
	mutex_unlock(&misuse_importer_lock);
	misuse_close(attach);
	return 0;
}

static int misuse_lock_held(u32 flags, struct device *dev, int *result)
{
	struct dma_buf_attachment *attach, *other;
	int order, ret = 0;
	u64 pfn;

	attach = misuse_open(dev);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	other = misuse_open(dev);
	if (IS_ERR(other)) {
		ret = PTR_ERR(other);
		goto close;
	}

	dma_resv_lock(other->dmabuf->resv, NULL);
	*result = testexp_get_pfn_unlocked(attach, 0, &pfn, &order);
	dma_resv_unlock(other->dmabuf->resv);

	misuse_close(other);
close:
	misuse_close(attach);
	return ret;
}

static int misuse_lock_held_attach(u32 flags, struct device *dev, int *result)
{
	struct dma_buf *held = misuse_export_ops(MISUSE_PLAIN);
	int ret;

	if (IS_ERR(held))
		return PTR_ERR(held);

	ret = misuse_attach_detach(MISUSE_PLAIN, dev, held, NULL, result);
	dma_buf_put(held);
	return ret;
}

static int misuse_lock_held_detach(u32 flags, struct device *dev, int *result)
{
	struct dma_buf *held = misuse_export_ops(MISUSE_PLAIN);
	int ret;

	if (IS_ERR(held))
		return PTR_ERR(held);

	ret = misuse_attach_detach(MISUSE_PLAIN, dev, NULL, held, result);
	dma_buf_put(held);
	return ret;
}

static int misuse_lock_held_export(u32 flags, struct device *dev, int *result)
{
	struct dma_buf *held = misuse_export_ops(MISUSE_PLAIN);
	struct dma_buf *dmabuf;

	if (IS_ERR(held))
		return PTR_ERR(held);

	dma_resv_lock(held->resv, NULL);
	dmabuf = misuse_export_ops(MISUSE_PLAIN);
	dma_resv_unlock(held->resv);

	*result = PTR_ERR_OR_ZERO(dmabuf);
	if (!*result)
		dma_buf_put(dmabuf);
	dma_buf_put(held);
	return 0;
}

/* --- the table --------------------------------------------------------------- */

enum misuse_checker {
	MISUSE_NO_CHECKER,
	MISUSE_LOCKDEP,
	MISUSE_ATOMIC_SLEEP,
};

/**
 * struct misuse - a case
 * @call: makes the call and stores its return value in *@result; returns 0, or a negative
 *	errno when the call could not be made
 * @checker: the part of the kernel that reports the call; it must be built in and active
 * @splat: title of the bug that the kernel reports; NULL when the kernel reports a WARNING
 *	or nothing
 */
struct misuse {
	int (*call)(u32 flags, struct device *dev, int *result);
	enum misuse_checker checker;
	const char *splat;
};

#define MISUSE_RECURSIVE	"possible recursive locking detected"
#define MISUSE_CIRCULAR		"possible circular locking dependency detected"
#define MISUSE_SLEEPING		"sleeping function called from invalid context"

static const struct misuse misuse_cases[TESTEXP_MISUSE_CASES] = {
	[TESTEXP_MISUSE_NULL_ATTACH] = { misuse_null_attach },
	[TESTEXP_MISUSE_NULL_ATTACH_UNLOCKED] = { misuse_null_attach_unlocked },
	[TESTEXP_MISUSE_NULL_PFN] = { misuse_null_pfn },
	[TESTEXP_MISUSE_NULL_PFN_UNLOCKED] = { misuse_null_pfn_unlocked },
	[TESTEXP_MISUSE_EXPORT] = { misuse_export },
	[TESTEXP_MISUSE_LOCK_MISSING] = { misuse_lock_missing, MISUSE_LOCKDEP },
	[TESTEXP_MISUSE_LOCK_NESTED] = { misuse_lock_nested, MISUSE_LOCKDEP },
	[TESTEXP_MISUSE_ATOMIC] = { misuse_atomic, MISUSE_ATOMIC_SLEEP, MISUSE_SLEEPING },
	[TESTEXP_MISUSE_LOCK_HELD] = { misuse_lock_held, MISUSE_LOCKDEP, MISUSE_RECURSIVE },
	[TESTEXP_MISUSE_LOCK_HELD_ATTACH] = {
		misuse_lock_held_attach, MISUSE_LOCKDEP, MISUSE_RECURSIVE
	},
	[TESTEXP_MISUSE_LOCK_HELD_DETACH] = {
		misuse_lock_held_detach, MISUSE_LOCKDEP, MISUSE_RECURSIVE
	},
	[TESTEXP_MISUSE_LOCK_HELD_EXPORT] = {
		misuse_lock_held_export, MISUSE_LOCKDEP, MISUSE_CIRCULAR
	},
	[TESTEXP_MISUSE_LOCK_OUTSIDE] = {
		misuse_lock_outside, MISUSE_LOCKDEP, MISUSE_CIRCULAR
	},
	[TESTEXP_MISUSE_NULL_ATTACH_ATTRS] = { misuse_null_attach_attrs },
	[TESTEXP_MISUSE_NULL_ATTRS] = { misuse_null_attrs },
	[TESTEXP_MISUSE_ATTRS_LOCK_MISSING] = { misuse_attrs_lock_missing, MISUSE_LOCKDEP },
	[TESTEXP_MISUSE_UNPIN] = { misuse_unpin_without_pin },
	[TESTEXP_MISUSE_PINS] = { misuse_pins },
	[TESTEXP_MISUSE_ODD_SIZE] = { misuse_odd_size },
	[TESTEXP_MISUSE_MAX_ORDER] = { misuse_max_order },
	[TESTEXP_MISUSE_CLASSES] = { misuse_classes },
	[TESTEXP_MISUSE_NULL_BUFFER] = { misuse_null_buffer },
	[TESTEXP_MISUSE_NO_ATTACH_CALLBACK] = { misuse_no_attach_callback },
};

static bool misuse_is_noticed(enum misuse_checker checker)
{
	switch (checker) {
	case MISUSE_LOCKDEP:
		return IS_ENABLED(CONFIG_PROVE_LOCKING) && debug_locks;
	case MISUSE_ATOMIC_SLEEP:
		return IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP);
	default:
		return true;
	}
}

/**
 * testexp_misuse_run - make one wrong call
 * @args: arguments of TESTEXP_IOC_MISUSE; result is filled in
 * @dev: device for the attachment that some cases need
 *
 * Return: 0 if the call was made; -EINVAL for an unknown case or for flags that the case does
 * not have; -EPERM without allow_misuse; -EOPNOTSUPP when this kernel cannot report the call;
 * or the negative errno of what the case needed first.
 */
int testexp_misuse_run(struct testexp_misuse *args, struct device *dev)
{
	const struct misuse *misuse;
	int ret;

	if (args->which >= TESTEXP_MISUSE_CASES)
		return -EINVAL;
	if (args->flags && args->which != TESTEXP_MISUSE_EXPORT)
		return -EINVAL;
	if (!allow_misuse)
		return -EPERM;

	misuse = misuse_cases + args->which;
	if (!misuse_is_noticed(misuse->checker))
		return -EOPNOTSUPP;

	if (misuse->splat)
		pr_info("expect-splat: begin %s\n", misuse->splat);
	else
		pr_info("expect-warning: begin\n");
	ret = misuse->call(args->flags, dev, &args->result);
	pr_info("expect-%s: end\n", misuse->splat ? "splat" : "warning");
	return ret;
}
