// SPDX-License-Identifier: GPL-2.0
/*
 * Measures how long tasks wait for reservation locks and hold them. buffers.bpf.c finds
 * the addresses of these locks; both objects share one map of them. Every task takes a
 * lock through one of four functions, contended or not. None of them is inlined. The
 * slow path has tracepoints.
 *
 * The loader takes the fentry/fexit form or the kprobe/kretprobe form of each program. It may
 * also take the programs of tracepoints alone: they see contention only, but need no probe on
 * any function.
 * No kernel structure is read, so this object runs with or without BTF.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/ptrace.h>
#include <linux/stddef.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "locks.h"
#include "record.bpf.h"

#define SLOTS_PER_TASK	4
#define LCB_F_MUTEX	(1u << 5)

/* Set by the loader. */
const volatile __u32 by = LOCKS_BY_BUFFER;
const volatile __u32 filter_tgid = 0;	/* 0: all */
const volatile __u32 max_groups = 1;
const volatile __u8 any_lock = 0;	/* every ww_mutex is watched */
const volatile __u8 timeline = 0;	/* events are wanted */

/*
 * Set by the loader while all programs are attached. With only some of them attached, the
 * programs would see ends without a beginning.
 */
__u32 complete;

struct lock_counts counts;
__u32 nr_groups = LOCK_GROUP_OTHERS + 1;
struct lock_waiter waiters[LOCK_SLOTS];

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* address of the lock */
	__type(value, struct lock_state);
} locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* see enum lock_by */
	__type(value, struct lock_group);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32); /* index of the group */
	__type(value, struct lock_stats);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct lock_pair);
	__type(value, struct lock_pair_stats);
} pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 4096);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, LOCK_STACK_DEPTH * sizeof(__u64));
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

#define COUNT(what) __sync_fetch_and_add(&counts.what, 1)

/* --- groups -------------------------------------------------------------- */

static __always_inline __u32 others(void)
{
	COUNT(others);
	return LOCK_GROUP_OTHERS;
}

static __always_inline __u32 group_by(__u64 key, const struct lock_state *state)
{
	struct lock_group fresh = {}, *group = bpf_map_lookup_elem(&groups, &key);

	if (group)
		return group->index;
	if (nr_groups >= max_groups)
		return others();
	fresh.index = __sync_fetch_and_add(&nr_groups, 1);
	if (fresh.index >= max_groups)
		return others();
	if (by == LOCKS_BY_PROCESS) {
		bpf_get_current_comm(fresh.name, sizeof(fresh.name));
	} else if (by == LOCKS_BY_BUFFER) {
		fresh.size_bytes = state->size_bytes;
		__builtin_memcpy(fresh.name, state->exporter, sizeof(fresh.name));
	}
	if (!bpf_map_update_elem(&groups, &key, &fresh, BPF_NOEXIST))
		return fresh.index;
	/* Another CPU was first. This index stays unused. */
	group = bpf_map_lookup_elem(&groups, &key);
	return group ? group->index : others();
}

static __always_inline __u32 group_of(void *ctx, __u64 lock, const struct lock_state *state)
{
	__s64 stack;

	if (by == LOCKS_BY_PROCESS)
		return group_by(bpf_get_current_pid_tgid() >> 32, state);
	if (by == LOCKS_BY_BUFFER)
		return group_by(state->inode ? state->inode : lock, state);

	stack = bpf_get_stackid(ctx, &stacks, 0);
	if (stack < 0) {
		COUNT(stacks_lost);
		return group_by(LOCK_NO_STACK, state);
	}
	return group_by(stack, state);
}

static __always_inline int is_wanted(void)
{
	return !filter_tgid || filter_tgid == bpf_get_current_pid_tgid() >> 32;
}

/*
 * As record(), but programs of several functions write here, and one may preempt another
 * on its CPU. No value is ever lost; a minimum or maximum may be.
 */
static __always_inline void record_shared(__u32 group, enum lock_hist which, __u64 value)
{
	struct lock_stats *cpu = bpf_map_lookup_elem(&stats, &group);
	__u64 index = hist_table_index(hist_table, value);
	struct testexp_hist *hist;

	barrier_var(index);
	if (!cpu || index >= TESTEXP_HIST_BUCKETS)
		return;

	hist = &cpu->hists[which];
	__sync_fetch_and_add(&hist->sum, value);
	if (value < hist->min)
		hist->min = value;
	if (value > hist->max)
		hist->max = value;
	__sync_fetch_and_add(&hist->buckets[index], 1);
}

static __always_inline void blame(__u32 waiter, __u32 holder, __u64 ns)
{
	struct lock_pair key = { waiter, holder };
	struct lock_pair_stats fresh = {}, *pair = bpf_map_lookup_elem(&pairs, &key);

	if (!pair) {
		bpf_map_update_elem(&pairs, &key, &fresh, BPF_NOEXIST);
		pair = bpf_map_lookup_elem(&pairs, &key);
	}
	if (!pair) {
		COUNT(pairs_lost);
		return;
	}
	__sync_fetch_and_add(&pair->count, 1);
	__sync_fetch_and_add(&pair->total_ns, ns);
	if (ns > pair->max_ns)
		pair->max_ns = ns;
}

static __always_inline void emit(enum lock_hist kind, __u64 inode, __u64 begin_ns, __u64 end_ns,
				 int error)
{
	struct lock_event *event;
	__u64 id;

	if (!timeline)
		return;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		COUNT(events_lost);
		return;
	}
	id = bpf_get_current_pid_tgid();
	event->begin_ns = begin_ns;
	event->end_ns = end_ns;
	event->inode = inode;
	event->kind = kind;
	event->tgid = id >> 32;
	event->tid = id;
	event->error = error;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	/* The reader comes once at the end, so nobody has to be woken. */
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/* --- calls in flight ----------------------------------------------------- */

static __always_inline struct lock_waiter *slot_of(__u64 task, __u32 way)
{
	__u64 hash = task * 0x9e3779b97f4a7c15ull >> (64 - LOCK_SLOT_BITS);

	return &waiters[(hash + way) % LOCK_SLOTS];
}

static __always_inline struct lock_waiter *claim_waiter(__u64 task)
{
	struct lock_waiter *waiter;
	__u64 holds;
	__u32 way;

#pragma unroll
	for (way = 0; way < SLOTS_PER_TASK; way++) {
		waiter = slot_of(task, way);
		holds = __sync_val_compare_and_swap(&waiter->task, 0, task);
		if (!holds)
			return waiter;
		if (holds == task) {
			COUNT(unmatched_waits);
			return waiter;
		}
	}
	COUNT(slots_full);
	return NULL;
}

static __always_inline struct lock_waiter *find_waiter(__u64 task)
{
	__u32 way;

#pragma unroll
	for (way = 0; way < SLOTS_PER_TASK; way++)
		if (slot_of(task, way)->task == task)
			return slot_of(task, way);
	return NULL;
}

/* Ends the task's call whose return was not seen, if there is one. Rare, so not inlined. */
static __noinline int give_up(void)
{
	struct lock_waiter *waiter = find_waiter(bpf_get_current_task());

	if (waiter) {
		COUNT(unmatched_waits);
		__sync_lock_test_and_set(&waiter->task, 0);
	}
	return 0;
}

/* --- taking and dropping ------------------------------------------------- */

static __always_inline struct lock_state *find_lock(__u64 lock)
{
	struct lock_state fresh = { .users = 1 }, *state;

	if (!complete)
		return NULL;
	state = bpf_map_lookup_elem(&locks, &lock);
	if (state || !any_lock)
		return state;
	if (bpf_map_update_elem(&locks, &lock, &fresh, BPF_NOEXIST))
		COUNT(buffers_full);
	return bpf_map_lookup_elem(&locks, &lock);
}

/* The clock is read last when something begins and first when it ends. */
static __always_inline void acquired(struct lock_state *state, __u32 group)
{
	if (state->acquired_ns)
		COUNT(unmatched_holds); /* the unlock was not seen */
	state->group = group;
	state->wanted = is_wanted();
	state->acquired_ns = bpf_ktime_get_ns();
}

static __always_inline int on_lock(__u64 lock)
{
	struct lock_state *state = find_lock(lock);
	struct lock_waiter *waiter;

	if (!state)
		return give_up(); /* or a return probe would take the slot for that of this call */
	waiter = claim_waiter(bpf_get_current_task());
	if (!waiter)
		return 0;
	waiter->lock = lock;
	waiter->slow_begin_ns = 0;
	waiter->slow_ns = 0;
	waiter->blocker = state->acquired_ns ? state->group : LOCK_NO_GROUP;
	waiter->start_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline void count_failure(int error)
{
	if (error == -EDEADLK)
		COUNT(deadlocks);
	else if (error == -EINTR)
		COUNT(interrupted);
}

/* @lock: 0 when the hook does not tell. */
static __always_inline int on_locked(void *ctx, __u64 lock, int error)
{
	__u64 end_ns = bpf_ktime_get_ns();
	struct lock_waiter *waiter = find_waiter(bpf_get_current_task()), seen;
	struct lock_state *state;
	__u32 group;

	if (waiter && lock && waiter->lock != lock) {
		give_up();
		waiter = NULL;
	}
	if (!waiter) {
		if (complete && lock && bpf_map_lookup_elem(&locks, &lock))
			COUNT(unmatched_waits);
		return 0;
	}
	seen = *waiter;
	/* From here on another task may use the slot. */
	__sync_lock_test_and_set(&waiter->task, 0);

	state = bpf_map_lookup_elem(&locks, &seen.lock);
	if (!state)
		return 0;
	group = group_of(ctx, seen.lock, state);
	if (is_wanted()) {
		record_shared(group, LOCK_WAIT, end_ns - seen.start_ns);
		if (seen.slow_ns) {
			record_shared(group, LOCK_CONTENDED, seen.slow_ns);
			blame(group, seen.blocker, seen.slow_ns);
		}
		emit(seen.slow_ns ? LOCK_CONTENDED : LOCK_WAIT, state->inode, seen.start_ns, end_ns,
		     error);
	}
	if (error)
		count_failure(error);
	else
		acquired(state, group);
	return 0;
}

static __always_inline int on_tried(void *ctx, __u64 lock, int got_it)
{
	struct lock_state *state = find_lock(lock);

	if (!state)
		return 0;
	if (got_it)
		acquired(state, group_of(ctx, lock, state));
	else
		COUNT(try_failed);
	return 0;
}

static __always_inline int on_unlock(__u64 lock)
{
	__u64 end_ns = bpf_ktime_get_ns(), since;
	struct lock_state *state = complete ? bpf_map_lookup_elem(&locks, &lock) : NULL;

	if (!state)
		return 0;
	since = state->acquired_ns;
	if (!since) {
		COUNT(unmatched_holds);
		return 0;
	}
	/* This task still holds the lock, so no other task writes here. */
	state->acquired_ns = 0;
	if (state->wanted) {
		record_shared(state->group, LOCK_HOLD, end_ns - since);
		emit(LOCK_HOLD, state->inode, since, end_ns, 0);
	}
	return 0;
}

SEC("raw_tp/contention_begin")
int contention_begin(struct bpf_raw_tracepoint_args *ctx)
{
	struct lock_waiter *waiter;

	if (!(ctx->args[1] & LCB_F_MUTEX))
		return 0;
	waiter = find_waiter(bpf_get_current_task());
	/* A waiter that is first in the queue spins again: one wait. */
	if (waiter && waiter->lock == ctx->args[0] && !waiter->slow_begin_ns)
		waiter->slow_begin_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("raw_tp/contention_end")
int contention_end(struct bpf_raw_tracepoint_args *ctx)
{
	struct lock_waiter *waiter = find_waiter(bpf_get_current_task());

	if (waiter && waiter->lock == ctx->args[0] && waiter->slow_begin_ns)
		waiter->slow_ns = bpf_ktime_get_ns() - waiter->slow_begin_ns;
	return 0;
}

/* A return probe does not see the arguments, so they are kept as those of a waiter. */
static __always_inline int on_tried_unseen(void *ctx, int got_it)
{
	struct lock_waiter *waiter = find_waiter(bpf_get_current_task());
	__u64 lock;

	if (!waiter)
		return 0;
	lock = waiter->lock;
	__sync_lock_test_and_set(&waiter->task, 0);
	return on_tried(ctx, lock, got_it);
}

/* --- tracepoints alone --------------------------------------------------- */

SEC("raw_tp/contention_begin")
int wait_begins(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 lock = ctx->args[0], task = bpf_get_current_task(), now_ns = bpf_ktime_get_ns();
	struct lock_waiter *waiter;
	struct lock_state *state;

	if (!(ctx->args[1] & LCB_F_MUTEX))
		return 0;
	state = find_lock(lock);
	if (!state)
		return 0;
	waiter = find_waiter(task);
	if (waiter && waiter->lock == lock)
		return 0; /* it spins again, or goes to sleep: one wait */
	waiter = claim_waiter(task);
	if (!waiter)
		return 0;
	waiter->lock = lock;
	waiter->start_ns = now_ns;
	__sync_fetch_and_add(&state->waiters, 1);
	__sync_val_compare_and_swap(&state->acquired_ns, 0, now_ns);
	return 0;
}

/* The new holder's own hold is contended from here on if others still wait. */
SEC("raw_tp/contention_end")
int wait_ends(struct bpf_raw_tracepoint_args *ctx)
{
	struct lock_waiter *waiter = find_waiter(bpf_get_current_task()), seen;
	__u64 end_ns = bpf_ktime_get_ns(), lock = ctx->args[0];
	struct lock_state *state;
	int error = ctx->args[1];
	__u32 group, others_wait;

	if (!waiter || waiter->lock != lock)
		return 0;
	seen = *waiter;
	__sync_lock_test_and_set(&waiter->task, 0);
	state = bpf_map_lookup_elem(&locks, &lock);
	if (!state)
		return 0;
	others_wait = __sync_fetch_and_add(&state->waiters, -1) > 1;
	if (!others_wait)
		state->acquired_ns = 0;
	else if (!error)
		state->acquired_ns = end_ns;
	if (error)
		count_failure(error);
	if (!is_wanted())
		return 0;
	group = group_of(ctx, lock, state);
	record_shared(group, LOCK_CONTENDED, end_ns - seen.start_ns);
	blame(group, state->released_ns > seen.start_ns ? state->group : LOCK_NO_GROUP,
	      end_ns - seen.start_ns);
	emit(LOCK_CONTENDED, state->inode, seen.start_ns, end_ns, error);
	return 0;
}

/* Runs in the task that drops a lock which others wait for. */
SEC("raw_tp/contended_release")
int contended_release(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now_ns = bpf_ktime_get_ns(), lock = ctx->args[0], since_ns;
	struct lock_state *state = complete ? bpf_map_lookup_elem(&locks, &lock) : NULL;
	__u32 group;

	if (!state)
		return 0;
	group = group_of(ctx, lock, state);
	since_ns = state->acquired_ns;
	state->group = group;
	state->released_ns = now_ns;
	state->acquired_ns = now_ns; /* for a task that takes the lock without contention */
	if (!since_ns) {
		state->acquired_ns = 0; /* whoever waits has begun unseen */
		COUNT(unmatched_holds);
		return 0;
	}
	if (is_wanted()) {
		record_shared(group, LOCK_HOLD, now_ns - since_ns);
		emit(LOCK_HOLD, state->inode, since_ns, now_ns, 0);
	}
	return 0;
}

SEC("fentry/ww_mutex_lock")
int lock_fentry(__u64 *ctx)
{
	return on_lock(ctx[0]);
}

SEC("fexit/ww_mutex_lock")
int lock_fexit(__u64 *ctx)
{
	return on_locked(ctx, ctx[0], ctx[2]);
}

SEC("fentry/ww_mutex_lock_interruptible")
int interruptible_fentry(__u64 *ctx)
{
	return on_lock(ctx[0]);
}

SEC("fexit/ww_mutex_lock_interruptible")
int interruptible_fexit(__u64 *ctx)
{
	return on_locked(ctx, ctx[0], ctx[2]);
}

SEC("fexit/ww_mutex_trylock")
int trylock_fexit(__u64 *ctx)
{
	return on_tried(ctx, ctx[0], ctx[2]);
}

SEC("fentry/ww_mutex_unlock")
int unlock_fentry(__u64 *ctx)
{
	return on_unlock(ctx[0]);
}

SEC("kprobe/ww_mutex_lock")
int lock_kprobe(struct pt_regs *ctx)
{
	return on_lock(PT_REGS_PARM1(ctx));
}

SEC("kretprobe/ww_mutex_lock")
int lock_kretprobe(struct pt_regs *ctx)
{
	return on_locked(ctx, 0, PT_REGS_RC(ctx));
}

SEC("kprobe/ww_mutex_lock_interruptible")
int interruptible_kprobe(struct pt_regs *ctx)
{
	return on_lock(PT_REGS_PARM1(ctx));
}

SEC("kretprobe/ww_mutex_lock_interruptible")
int interruptible_kretprobe(struct pt_regs *ctx)
{
	return on_locked(ctx, 0, PT_REGS_RC(ctx));
}

SEC("kprobe/ww_mutex_trylock")
int trylock_kprobe(struct pt_regs *ctx)
{
	return on_lock(PT_REGS_PARM1(ctx));
}

SEC("kretprobe/ww_mutex_trylock")
int trylock_kretprobe(struct pt_regs *ctx)
{
	return on_tried_unseen(ctx, PT_REGS_RC(ctx));
}

SEC("kprobe/ww_mutex_unlock")
int unlock_kprobe(struct pt_regs *ctx)
{
	return on_unlock(PT_REGS_PARM1(ctx));
}

char LICENSE[] SEC("license") = "GPL";
