/* SPDX-License-Identifier: GPL-2.0 */
/* Contention: threads of given roles that want the same reservation locks. */
#ifndef TESTEXP_CONTEND_H
#define TESTEXP_CONTEND_H

#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/wait.h>

#include "bench/gate.h"
#include "bench/paths.h"
#include "ioctl.h"
#include "testexp_uapi.h"

struct importer;

/**
 * struct contender - one of the threads
 * @contention: what it takes part in
 * @spec: what the caller wants of it, immutable
 * @importers: its set, @spec.count of them
 * @task: the thread that the kernel made for it, while RUN lasts
 * @taken: JOIN was called for it; guarded by the contention's lock
 * @run: where its resolving stands
 * @random: for its next order
 * @order: the set in the order in which the locks were taken last
 * @fence_context: timeline of the fences it adds
 * @counts: what REPORT returns; its own until it has ended
 * @wait: likewise
 * @hold: likewise
 * @op: likewise
 */
struct contender {
	struct contention *contention;
	struct testexp_contender spec;
	struct importer **importers;
	struct task_struct *task;
	bool taken;
	struct resolve_run run;
	struct rnd_state random;
	u8 order[TESTEXP_MAX_CONTENDED];
	u64 fence_context;
	struct testexp_report counts;
	struct testexp_hist wait;
	struct testexp_hist hold;
	struct testexp_hist op;
};

/* A contention that is only ever one of these, in this order. */
enum contention_state {
	CONTENTION_NEW,
	CONTENTION_RUNNING,
	CONTENTION_OVER
};

/**
 * struct contention - what a contention descriptor owns
 * @gate: where the contenders and RUN meet
 * @lock: guards @state and the contenders' @taken
 * @state: how far it is
 * @stop: contenders end after the operation they are in
 * @run_ticks: as struct testexp_contend has it
 * @timeout_ms: likewise
 * @limited: contenders that have operations left to make
 * @running: contenders that have not ended
 * @inside: those of them that are in JOIN
 * @wait: woken when @running or @inside becomes 0
 * @nr_importers: entries in @importers
 * @nr_contenders: entries in @contenders
 * @mm: memory of RUN's caller, valid during that call
 * @importers: of all sets; each with a reference of its file
 * @contenders: the threads
 */
struct contention {
	struct gate gate;
	struct mutex lock; /* of @state and @taken; nothing is called under it */
	enum contention_state state;
	bool stop;
	u64 run_ticks;
	u32 timeout_ms;
	atomic_t limited;
	atomic_t running;
	atomic_t inside;
	wait_queue_head_t wait;
	u32 nr_importers;
	u32 nr_contenders;
	struct mm_struct *mm;
	struct importer *importers[TESTEXP_MAX_CONTENDED];
	struct contender contenders[];
};

struct file *testexp_contention_create(const struct testexp_contend *args);

/* In contender.c. */
int testexp_contender_run(struct contender *contender);

#endif /* TESTEXP_CONTEND_H */
