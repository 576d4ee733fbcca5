/* SPDX-License-Identifier: GPL-2.0 */
/*
 * locks.bpf.c collects these data about reservation locks; lock_probe.cpp reads them once at the
 * end. A dma_resv begins with its ww_mutex, and this begins with its mutex. All three have the
 * same address; it identifies the lock.
 */
#ifndef LOCKS_H
#define LOCKS_H

#include "testexp_hist.h"

/* What has histograms of its own. */
enum lock_by {
	LOCKS_BY_BUFFER,	/* key: inode of the dma-buf; the lock's address if unknown */
	LOCKS_BY_PROCESS,	/* key: tgid of the process that waits or holds */
	LOCKS_BY_STACK,		/* key: id of the stack where the lock is taken */
};

enum lock_hist {
	LOCK_WAIT,	/* from call to return of a lock function, contended or not */
	LOCK_CONTENDED,	/* the part of it between contention_begin and _end */
	LOCK_HOLD,	/* from return of a lock function to the call of unlock */
	LOCK_HISTS
};

/**
 * struct lock_stats - one group, as one CPU saw it
 * @hists: by enum lock_hist, in ns; the counts are 0, the buckets add up to them
 */
struct lock_stats {
	struct testexp_hist hists[LOCK_HISTS];
};

/* The group for everything without a group of its own; it always exists. */
#define LOCK_GROUP_OTHERS	0u
#define LOCK_NO_GROUP		(~0u)
#define LOCK_NO_STACK		(~0ull)

#define LOCK_NAME_BYTES		32
#define LOCK_STACK_DEPTH	24

/**
 * struct lock_group - the owner of the numbers at @index
 * @index: into the per-CPU stats
 * @size_bytes: size of the buffer; 0 unless the groups are buffers
 * @name: the exporter, when the group is a buffer; the command, when the group is a process
 */
struct lock_group {
	__u32 index;
	__u32 reserved;
	__u64 size_bytes;
	char name[LOCK_NAME_BYTES];
};

/**
 * struct lock_state - a reservation lock that is watched; key: its address
 * @acquired_ns: since when it is held; 0: not held, or taken unseen
 * @inode: of its first dma-buf
 * @size_bytes: of this dma-buf
 * @group: while held, the group of the holder, for holds and for blame
 * @wanted: while held, whether the hold is to be recorded
 * @users: dma-bufs that share it
 * @waiters: tasks on the slow path, with tracepoints alone
 * @released_ns: when somebody dropped the lock last while others waited, with tracepoints alone
 * @exporter: name of the exporter of the first dma-buf
 *
 * With tracepoints alone, nobody sees when a lock is taken without contention. Then @acquired_ns is
 * since when others wait for the holder, and @group is the group of who dropped the lock last.
 */
struct lock_state {
	__u64 acquired_ns;
	__u64 inode;
	__u64 size_bytes;
	__u32 group;
	__u32 wanted;
	__u32 users;
	__u32 waiters;
	__u64 released_ns;
	char exporter[LOCK_NAME_BYTES];
};

/**
 * struct lock_waiter - a call of a lock function in flight; a task has but one
 * @task: the task that calls; 0 marks a free slot
 * @lock: the lock that the task asks for
 * @start_ns: since when
 * @slow_begin_ns: of the slow path; 0: not met
 * @slow_ns: time spent there
 * @blocker: group that held the lock at the beginning, or LOCK_NO_GROUP
 */
struct lock_waiter {
	__u64 task;
	__u64 lock;
	__u64 start_ns;
	__u64 slow_begin_ns;
	__u64 slow_ns;
	__u32 blocker;
	__u32 reserved;
};

#define LOCK_SLOT_BITS	12
#define LOCK_SLOTS	(1u << LOCK_SLOT_BITS)

/* Who waited (on the slow path) for whom: key and value. Indices of groups. */
struct lock_pair {
	__u32 waiter;
	__u32 holder;
};

struct lock_pair_stats {
	__u64 count;
	__u64 total_ns;
	__u64 max_ns;
};

/* One wait or hold, for a timeline. */
struct lock_event {
	__u64 begin_ns;
	__u64 end_ns;
	__u64 inode;
	__u32 kind; /* enum lock_hist; a wait that met the slow path is LOCK_CONTENDED */
	__u32 tgid;
	__u32 tid;
	__s32 error; /* what the lock function returned */
	char comm[16];
};

/**
 * struct lock_counts - rare events and losses, over all CPUs
 * @slots_full: calls that could not be followed, because all slots were taken
 * @unmatched_waits: returns without a call, and calls that never returned
 * @unmatched_holds: unlocks of a lock that nobody was seen to take, and holds without an unlock
 * @buffers_full: dma-bufs that are not watched, because there are too many
 * @others: takings of a lock whose wait and hold are in LOCK_GROUP_OTHERS
 * @stacks_lost: takings of a lock whose stack could not be kept
 * @pairs_lost: contended waits whose pair could not be kept
 * @events_lost: waits and holds that did not fit into the timeline
 * @try_failed: trylocks that found the lock taken
 * @deadlocks: locks refused with EDEADLK: the holder of a ww context backs off
 * @interrupted: waits that a signal ended
 */
struct lock_counts {
	__u64 slots_full;
	__u64 unmatched_waits;
	__u64 unmatched_holds;
	__u64 buffers_full;
	__u64 others;
	__u64 stacks_lost;
	__u64 pairs_lost;
	__u64 events_lost;
	__u64 try_failed;
	__u64 deadlocks;
	__u64 interrupted;
};

#endif /* LOCKS_H */
