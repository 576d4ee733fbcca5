// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "exporter/backing.h"
#include "exporter/exporter.h"
#include "exporter/memory.h"
#include "importer/importer.h"
#include "compat.h"

/* Layout of an entry: bit 0 is 1, then 6 bits of order, then the PFN. */
#define TABLE_PRESENT		1ull
#define TABLE_ORDER_SHIFT	1
#define TABLE_ORDER_MASK	63
#define TABLE_PFN_SHIFT		7

static u64 table_entry(u64 pfn, int order)
{
	return pfn << TABLE_PFN_SHIFT | (u64)order << TABLE_ORDER_SHIFT | TABLE_PRESENT;
}

static u64 table_entry_pfn(u64 entry)
{
	return entry >> TABLE_PFN_SHIFT;
}

static int table_entry_order(u64 entry)
{
	return entry >> TABLE_ORDER_SHIFT & TABLE_ORDER_MASK;
}

void testexp_table_init(struct table *table)
{
	mutex_init(&table->making);
	mutex_init(&table->lock);
}

static size_t table_bytes(u32 nr_entries)
{
	return nr_entries * sizeof(u64);
}

void testexp_table_destroy(struct table *table)
{
	testexp_memory_kvfree(table->entries, table_bytes(table->nr_entries));
	mutex_destroy(&table->lock);
	mutex_destroy(&table->making);
}

/*
 * Called under the table's lock. A PFN that was resolved before this call must not be installed
 * after it.
 */
void testexp_table_notify(struct table *table)
{
	lockdep_assert_held(&table->lock);
	table->seq++;
	/* The pause of FILL reads notifies without the lock. */
	WRITE_ONCE(table->notifies, table->notifies + 1);
}

/* Called under the table's lock. */
void testexp_table_drop_all(struct table *table)
{
	lockdep_assert_held(&table->lock);
	if (table->entries)
		memset(table->entries, 0, table_bytes(table->nr_entries));
}

/* Returns the number of pages of the buffer that a table has entries for. */
static u32 table_pages(const struct dma_buf *dmabuf)
{
	return min_t(u64, dmabuf->size >> PAGE_SHIFT, TESTEXP_TABLE_PAGES);
}

static int table_make(struct table *table, const struct dma_buf *dmabuf)
{
	u32 nr_entries = table_pages(dmabuf);
	u64 *entries = testexp_memory_kvzalloc(table_bytes(nr_entries));

	if (IS_ERR(entries))
		return PTR_ERR(entries);

	mutex_lock(&table->lock);
	table->nr_entries = nr_entries;
	table->entries = entries;
	mutex_unlock(&table->lock);
	return 0;
}

/*
 * Allocates the entries unless the table has them. Return: 0, -ENOSPC, -ENOMEM, or -EINTR when
 * killed.
 */
static int table_prepare(struct table *table, const struct dma_buf *dmabuf)
{
	int ret = 0;

	if (mutex_lock_killable(&table->making))
		return -EINTR;
	/* table->entries is only set under @making. */
	if (!table->entries)
		ret = table_make(table, dmabuf);
	mutex_unlock(&table->making);
	return ret;
}

/**
 * struct table_fill - state of a FILL
 * @importer: the importer whose table is filled
 * @args: arguments of the caller, and the counters that FILL returns
 * @seq: seq of the table when the present resolve began
 * @notifies: notifies of the table when the present resolve began
 * @pause: whether FILL still has to pause
 */
struct table_fill {
	struct importer *importer;
	struct testexp_fill *args;
	u64 seq;
	u64 notifies;
	bool pause;
};

static void table_fill_begin(struct table_fill *fill)
{
	struct table *table = &fill->importer->table;

	mutex_lock(&table->lock);
	fill->seq = table->seq;
	fill->notifies = table->notifies;
	mutex_unlock(&table->lock);
}

/* Waits, so that a move can come between resolve and install. */
static void table_fill_pause(struct table_fill *fill)
{
	struct importer *importer = fill->importer;

	if (!fill->pause)
		return;

	fill->pause = false;
	atomic_inc(&importer->pausing);
	wake_up_all(&importer->wait);
	/* When the process is killed here, table_fill_pages() sees the signal next. */
	wait_event_killable_timeout(importer->wait,
				    READ_ONCE(importer->table.notifies) != fill->notifies,
				    msecs_to_jiffies(fill->args->pause_ms));
	atomic_dec(&importer->pausing);
}

/* Return: 0, or -EAGAIN if @check is set and move_notify came since table_fill_begin(). */
static int table_fill_install(struct table_fill *fill, u64 pgoff, u64 pfn, int order, bool check)
{
	struct table *table = &fill->importer->table;
	int ret = 0;

	mutex_lock(&table->lock);
	fill->args->notified += table->notifies - fill->notifies;
	if (check && table->seq != fill->seq) {
		ret = -EAGAIN;
	} else {
		table->entries[pgoff] = table_entry(pfn, order);
		fill->args->installed++;
	}
	mutex_unlock(&table->lock);
	return ret;
}

static int table_fill_locked(struct table_fill *fill, u64 pgoff)
{
	struct dma_buf_attachment *attach = fill->importer->attach;
	int order, ret;
	u64 pfn;

	ret = dma_resv_lock_interruptible(attach->dmabuf->resv, NULL);
	if (ret)
		return ret;

	table_fill_begin(fill);
	ret = testexp_get_pfn(attach, pgoff, &pfn, &order);
	if (!ret) {
		table_fill_pause(fill);
		ret = table_fill_install(fill, pgoff, pfn, order, false);
	}
	dma_resv_unlock(attach->dmabuf->resv);
	return ret;
}

static int table_fill_unlocked(struct table_fill *fill, u64 pgoff, bool check)
{
	int order, ret;
	u64 pfn;

	table_fill_begin(fill);
	ret = testexp_get_pfn_unlocked(fill->importer->attach, pgoff, &pfn, &order);
	if (ret)
		return ret;
	table_fill_pause(fill);
	return table_fill_install(fill, pgoff, pfn, order, check);
}

static int table_fill_seq_retry(struct table_fill *fill, u64 pgoff)
{
	int ret, tries;

	for (tries = 0; tries <= TESTEXP_FILL_RETRIES; tries++) {
		ret = table_fill_unlocked(fill, pgoff, true);
		if (ret != -EAGAIN)
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		fill->args->retries++;
	}
	return -EAGAIN;
}

static int table_fill_page(struct table_fill *fill, u64 pgoff)
{
	switch (fill->args->mode) {
	case TESTEXP_FILL_LOCKED:
		return table_fill_locked(fill, pgoff);
	case TESTEXP_FILL_SEQ_RETRY:
		return table_fill_seq_retry(fill, pgoff);
	default:
		return table_fill_unlocked(fill, pgoff, false);
	}
}

static int table_fill_pages(struct table_fill *fill)
{
	u64 pgoff = fill->args->pgoff, end = pgoff + fill->args->count;
	int ret = 0;

	for (; !ret && pgoff < end; pgoff++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = table_fill_page(fill, pgoff);
		cond_resched();
	}
	return ret;
}

static int table_check_fill(const struct testexp_fill *args, const struct dma_buf *dmabuf)
{
	u32 end = table_pages(dmabuf);
	bool pause = args->flags & TESTEXP_FILL_PAUSE;

	if (args->mode >= TESTEXP_FILL_MODES)
		return -EINVAL;
	if (pause != !!args->pause_ms || args->pause_ms > TESTEXP_WAIT_MS)
		return -EINVAL;
	if (!args->count || args->pgoff >= end || args->count > end - args->pgoff)
		return -EINVAL;
	return 0;
}

/* Serves TESTEXP_IOC_FILL: see struct testexp_fill. */
int testexp_importer_fill(struct testexp_call *call)
{
	struct testexp_fill *args = call->args;
	struct importer *importer = call->owner;
	struct table_fill fill = {
		.importer = importer,
		.args = args,
		.pause = args->flags & TESTEXP_FILL_PAUSE,
	};
	int ret;

	ret = table_check_fill(args, importer->attach->dmabuf);
	if (ret)
		return ret;

	ret = table_prepare(&importer->table, importer->attach->dmabuf);
	if (ret)
		return ret;

	args->installed = 0;
	args->retries = 0;
	args->notified = 0;
	ret = table_fill_pages(&fill);
	return ret ? ret : testexp_respond(call);
}

static bool table_entry_is_stale(struct dma_buf_attachment *attach, u64 pgoff, u64 entry)
{
	u64 pfn;
	int order;

	return testexp_get_pfn(attach, pgoff, &pfn, &order) ||
	       pfn != table_entry_pfn(entry) || order < table_entry_order(entry);
}

static int table_audit(struct importer *importer, struct testexp_audit *args)
{
	struct table *table = &importer->table;
	u32 pgoff;

	lockdep_assert_held(&table->lock);
	for (pgoff = 0; pgoff < table->nr_entries; pgoff++) {
		u64 entry = table->entries[pgoff];

		if (fatal_signal_pending(current))
			return -EINTR;
		if (entry) {
			args->entries++;
			args->stale += table_entry_is_stale(importer->attach, pgoff, entry);
		}
		cond_resched();
	}
	args->notifies = table->notifies;
	args->asked = importer->asked;
	return 0;
}

/* Serves TESTEXP_IOC_AUDIT: see struct testexp_audit. */
int testexp_importer_audit(struct testexp_call *call)
{
	struct testexp_audit *args = call->args;
	struct importer *importer = call->owner;
	struct dma_resv *resv = importer->attach->dmabuf->resv;
	int ret;

	args->entries = 0;
	args->stale = 0;

	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret)
		return ret;
	mutex_lock(&importer->table.lock);
	ret = table_audit(importer, args);
	mutex_unlock(&importer->table.lock);
	dma_resv_unlock(resv);

	return ret ? ret : testexp_respond(call);
}

static int table_use(struct importer *importer, struct testexp_use *args)
{
	struct dma_buf *dmabuf = importer->attach->dmabuf;
	struct table *table = &importer->table;
	u64 counts[EXPORTER_TOUCHED_NOTHING + 1] = {};
	u32 pgoff;

	lockdep_assert_held(&table->lock);
	for (pgoff = 0; pgoff < table->nr_entries; pgoff++) {
		u64 entry = table->entries[pgoff];

		if (fatal_signal_pending(current))
			return -EINTR;
		if (entry)
			counts[testexp_exporter_touch(dmabuf, pgoff, table_entry_pfn(entry),
						      args->signature + pgoff, args->flags)]++;
		cond_resched();
	}
	args->poisoned = counts[EXPORTER_TOUCHED_POISON];
	args->wrong = counts[EXPORTER_TOUCHED_WRONG];
	args->gone = counts[EXPORTER_TOUCHED_NOTHING];
	args->used = counts[EXPORTER_TOUCHED_RIGHT] + args->poisoned + args->wrong + args->gone;
	args->notifies = table->notifies;
	return 0;
}

/* Serves TESTEXP_IOC_USE: see struct testexp_use. */
int testexp_importer_use(struct testexp_call *call)
{
	struct testexp_use *args = call->args;
	struct importer *importer = call->owner;
	int ret;

	if (!testexp_exporter_owns(importer->attach->dmabuf))
		return -EINVAL;

	/* move_notify takes this lock, too. So all entries may be used while it is held. */
	mutex_lock(&importer->table.lock);
	ret = table_use(importer, args);
	mutex_unlock(&importer->table.lock);

	return ret ? ret : testexp_respond(call);
}
