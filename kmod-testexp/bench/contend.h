/* SPDX-License-Identifier: GPL-2.0 */
/* Contention: threads with given roles that compete for the same reservation locks. */
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
 * struct contender - one thread of a contention
 * @contention: the contention
 * @spec: description of the contender by the caller, immutable
 * @importers: the importers of its set, @spec.count entries
 * @task: kernel thread of the contender during RUN, or NULL
 * @taken: JOIN was called for it; guarded by the contention's lock
 * @run: state of the path, for the role RESOLVE
 * @random: generator of random orders
 * @order: indexes of the set, in the order in which the locks were taken last
 * @fence_context: timeline of the fences that it adds
 * @counts: results of REPORT; only the contender uses them until it has ended
 * @wait: histogram of REPORT; used like @counts
 * @hold: histogram of REPORT; used like @counts
 * @op: histogram of REPORT; used like @counts
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

/* States of a contention, in the order in which it passes through them. */
enum contention_state {
	CONTENTION_NEW,
	CONTENTION_RUNNING,
	CONTENTION_OVER
};

/**
 * struct contention - the object of a contention descriptor
 * @gate: start gate of the contenders and of RUN
 * @lock: guards @state, and @taken of the contenders
 * @state: state of the contention
 * @stop: each contender ends after its present operation
 * @run_ticks: see struct testexp_contend
 * @timeout_ms: see struct testexp_contend
 * @limited: number of contenders with a limit that have not ended
 * @running: number of contenders that have not ended
 * @inside: number of threads that are in JOIN
 * @wait: woken when @running or @inside becomes 0
 * @nr_importers: number of entries in @importers
 * @nr_contenders: number of entries in @contenders
 * @mm: address space of the process that calls RUN, valid during that call
 * @importers: importers of all sets, each with a reference of its file
 * @contenders: the contenders
 */
struct contention {
	struct gate gate;
	struct mutex lock; /* guards state and taken; no other function is called under it */
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
