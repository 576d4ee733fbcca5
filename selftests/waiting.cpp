// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: a call that needs the reservation lock waits while a move or a revoke holds the lock, and
 * goes on when the holder has ended (P5). A signal ends the wait with EINTR where the ABI says so,
 * and only there; so does SIGKILL. FENCE_WAIT waits for the fence itself. An importer that is
 * closed meanwhile leaves nothing behind.
 *
 * Method: a move or a revoke that waits for a fence holds the lock until the test signals the
 * fence. /proc/PID/syscall shows that the call sleeps. Only the order of events is judged: whether
 * a call ended before the holder did.
 *
 * Does not see: where in the call it sleeps; REVOKE, which revoke tests.
 */
#include <csignal>
#include <thread>

#include "child.hpp"
#include "contend.hpp"
#include "waiting.hpp"

using namespace testexp;

namespace {

constexpr std::uint32_t dynamic = TESTEXP_ATTACH_DYNAMIC;

struct Call {
    const char* name;
    /* Returns the errno or 0. */
    int (*make)(HeldLock& lock);
    bool needs_pfns;
    Hold hold = {};
    std::uint32_t features = 0; /* TESTEXP_FEAT_* that the call needs */
};

int code_of_attach(HeldLock& lock, std::uint32_t flags) {
    return device().attach(lock.buffer().fd.get(), flags).code();
}

template <testexp_fill_mode mode> int fill(HeldLock& lock) {
    return lock.importer().fill({.mode = mode}).code();
}

int code_of_stats(HeldLock& lock) {
    return device().stats(lock.buffer().fd.get()).code();
}

int close_importer(HeldLock& lock) {
    const Importer closed = std::move(lock.importer());

    return 0;
}

/* The kernel accesses the first page as the CPU would, and waits in the fault. */
int fault_in(HeldLock& lock) {
    const std::uint64_t nr_pages = lock.buffer().nr_pages;
    const Mapping mapping =
        Mapping::map_aligned(lock.buffer().fd.get(), nr_pages, nr_pages * page_bytes()).value();

    return -device().walk(mapping.bytes().data(), 1, TESTEXP_WALK_FAULT_IN).value()[0].error;
}

constexpr Hold by_revoke = {.by_revoke = true};

/* Pages of one leaf of the page table. */
constexpr Hold of_leaf = {.create_flags = TESTEXP_CREATE_HUGE, .nr_pages = 512, .align_order = 9};

/* MEASURE looks for signals between batches. */
template <testexp_path path, std::uint64_t batches = 1> int measure(HeldLock& lock) {
    return lock.importer().measure({.path = path, .batches = batches, .warmup_batches = 0}).code();
}

/* JOIN of the only contender. RUN is at the gate already, so JOIN does not wait there. */
template <testexp_role role, testexp_path path = testexp_path{}, std::uint64_t ops = 1>
int join(HeldLock& lock) {
    const ContentionSpec spec{
        .importers = {lock.importer().fd()},
        .contenders = {{.role = role, .path = path, .ops = ops, .user = true}}};
    const Contention contention = contend(device(), spec).value();
    Caller run([&] { return contention.run().code(); });

    (void)run.wait_until_asleep();

    const int code = contention.join(0).code();

    ksft::expect_eq(run.result(), 0, "RUN");
    return code;
}

/* The module takes the lock itself, and a signal ends the wait. */
constexpr Call interruptible[] = {
    {"STATS", code_of_stats, false},
    {"STATS,holder=REVOKE", code_of_stats, false, by_revoke},
    {"RESTORE", [](HeldLock& lock) { return device().restore(lock.buffer().fd.get()).code(); },
     false},
    {"MOVE", [](HeldLock& lock) { return lock.move(); }, false},
    {"MAP,flags=kernel", [](HeldLock& lock) { return lock.importer().map_kernel().code(); }, false},
    {"DESCRIBE", [](HeldLock& lock) { return lock.importer().describe(0).code(); }, false},
    {"DESCRIBE,flags=attrs",
     [](HeldLock& lock) { return lock.importer().describe(0, TESTEXP_DESCRIBE_ATTRS).code(); },
     false,
     {},
     TESTEXP_FEAT_PFN_ATTRS},
    {"RESOLVE,form=locked",
     [](HeldLock& lock) { return lock.importer().resolve(0, 1, 1, TESTEXP_RESOLVE_LOCKED).code(); },
     false},
    {"AUDIT", [](HeldLock& lock) { return lock.importer().audit().code(); }, false},
    {"FILL,mode=locked", fill<TESTEXP_FILL_LOCKED>, true},
    {"ATTACH,importer=static", [](HeldLock& lock) { return code_of_attach(lock, 0); }, false},
    {"ATTACH,importer=dynamic", [](HeldLock& lock) { return code_of_attach(lock, dynamic); },
     false},
    {"ATTACH,importer=pinning",
     [](HeldLock& lock) { return code_of_attach(lock, dynamic | TESTEXP_ATTACH_PIN); }, false},
    {"JOIN,role=hold", join<TESTEXP_ROLE_HOLD>, false},
    {"JOIN,role=locked", join<TESTEXP_ROLE_LOCKED>, true},
    {"JOIN,role=fence_add", join<TESTEXP_ROLE_FENCE_ADD>, false},
    {"JOIN,role=attach", join<TESTEXP_ROLE_ATTACH>, false},
    {"JOIN,path=get_pfn_batch", join<TESTEXP_ROLE_RESOLVE, TESTEXP_PATH_GET_PFN_BATCH>, true},
};

/* The core takes the lock, or the measured path does, and only the lock ends the wait. */
constexpr Call uninterruptible[] = {
    {"RESOLVE,form=unlocked", [](HeldLock& lock) { return lock.importer().resolve(0, 1).code(); },
     false},
    {"FILL,mode=seq_retry", fill<TESTEXP_FILL_SEQ_RETRY>, true},
    {"MAP", [](HeldLock& lock) { return lock.importer().map().code(); }, false},
    {"MEASURE,path=lock_unlock", measure<TESTEXP_PATH_LOCK_UNLOCK>, false},
    {"MEASURE,path=get_pfn_batch", measure<TESTEXP_PATH_GET_PFN_BATCH>, true},
    {"DELIVER,path=get_pfn",
     [](HeldLock& lock) {
         return lock.importer().deliver({.path = TESTEXP_PATH_GET_PFN}, 1).code();
     },
     true},
    {"JOIN,role=map", join<TESTEXP_ROLE_MAP>, false},
    {"JOIN,path=get_pfn", join<TESTEXP_ROLE_RESOLVE, TESTEXP_PATH_GET_PFN>, true},
    {"close", close_importer, false},
    {"close,holder=REVOKE", close_importer, false, by_revoke},
    {"access,page=small", fault_in, false, {}, TESTEXP_FEAT_WALK},
    {"access,page=huge", fault_in, false, of_leaf, TESTEXP_FEAT_WALK | TESTEXP_FEAT_HUGE},
};

/* The same, but a call of several steps looks for a signal after the step that has waited. */
constexpr Call in_steps[] = {
    {"MEASURE,path=lock_unlock", measure<TESTEXP_PATH_LOCK_UNLOCK, 2>, false},
    {"JOIN,role=map", join<TESTEXP_ROLE_MAP, testexp_path{}, 2>, false},
};

/* Waits for the fence itself. Importers' fences are of the usage BOOKKEEP. */
constexpr Call fence_wait = {"JOIN,role=fence_wait", join<TESTEXP_ROLE_FENCE_WAIT>, false};

void require(const Call& call) {
    if (call.needs_pfns)
        require_pfns();
    if (call.features & TESTEXP_FEAT_PFN_ATTRS)
        REQUIRE(device().has(TESTEXP_FEAT_PFN_ATTRS), "the kernel has no dma_buf_get_pfn_attrs()");
    REQUIRE(device().has(call.features), "before 6.12 there are neither WALK nor leaves of 2 MiB");
}

void waits(const Call& call) {
    require(call);
    until_seen([&] {
        HeldLock lock(call.hold);
        Caller caller([&] { return call.make(lock); });
        const bool asleep = caller.wait_until_asleep();

        std::this_thread::sleep_for(limits::for_a_wrong_end);

        const bool waits = !caller.has_ended();
        const bool seen = asleep && lock.is_held();

        lock.release();
        ksft::expect_eq(caller.result(), 0, call.name);
        if (seen)
            ksft::expect(waits, "the call waits until the lock is free");
        return seen;
    });
}

/*
 * A signal comes while the call waits for the lock. @ends: the signal ends the wait. @expected:
 * what the call returns.
 */
void interrupted(const Call& call, bool ends, int expected) {
    require(call);
    until_seen([&] {
        HeldLock lock(call.hold);
        Caller caller([&] { return call.make(lock); });
        const bool asleep = caller.wait_until_asleep();

        caller.interrupt();
        if (ends)
            caller.wait();
        else
            std::this_thread::sleep_for(limits::for_a_wrong_end);

        const bool seen = asleep && lock.is_held();

        if (seen)
            ksft::expect_eq(caller.has_ended(), ends, "whether the signal ended the call");
        lock.release();

        const int code = caller.result();

        if (seen)
            ksft::expect_eq(code, expected, call.name);
        return seen;
    });
}

/* The call is in a process of its own, so that the move survives the kill. */
void killed(const Call& call) {
    require(call);
    until_seen([&] {
        HeldLock lock(call.hold);
        const std::uint32_t importers = device().read_info().value().nr_importers;
        Child child([&] { return call.make(lock); });

        while (!child.has_ended() && !is_asleep_in_call(child.pid()))
            std::this_thread::sleep_for(limits::look_again);
        child.kill();

        const bool seen = signal_of(child.wait()) == SIGKILL && lock.is_held();

        if (seen)
            ksft::expect_eq(device().read_info().value().nr_importers, importers, "nr_importers");
        lock.release();
        return seen;
    });
}

/*
 * A process is killed while the first of its calls waits for the lock. It makes no second call,
 * which would wait again.
 */
void killed_in_resolve() {
    require_pfns();
    until_seen([] {
        HeldLock lock;
        const std::uint64_t nr_pages = lock.buffer().nr_pages;
        Child child([&] { return lock.importer().resolve(0, nr_pages).code(); });

        while (!child.has_ended() && !is_asleep_in_call(child.pid()))
            std::this_thread::sleep_for(limits::look_again);
        child.kill();

        const bool seen = lock.is_held();

        lock.release();

        const int signal = signal_of(child.wait());

        if (!seen)
            return false;
        ksft::expect_eq(signal, SIGKILL, "the signal that ended the process");
        ksft::expect(device().stats(lock.buffer().fd.get()).value().get_pfns <= 1,
                     "the process makes no second call");
        return true;
    });
}

/*
 * A signal ends RUN while a contender is in its operation. RUN waits for the end of the operation,
 * and there is no report before.
 */
void run_waits_for_the_operation() {
    until_seen([] {
        HeldLock lock;
        const Contention contention =
            contend(device(), {.importers = {lock.importer().fd()},
                               .contenders = {{.role = TESTEXP_ROLE_MAP, .ops = 1, .user = true}}})
                .value();
        Caller run([&] { return contention.run().code(); });
        bool asleep = run.wait_until_asleep();
        Caller join([&] { return contention.join(0).code(); });

        asleep = join.wait_until_asleep() && asleep;
        run.interrupt();
        std::this_thread::sleep_for(limits::for_a_wrong_end);

        const bool waits = !run.has_ended();
        const int report = contention.report(0).code();
        const bool seen = asleep && lock.is_held();

        lock.release();
        ksft::expect_eq(join.result(), 0, "JOIN");

        const int code = run.result();

        if (seen) {
            ksft::expect_eq(code, EINTR, "RUN");
            ksft::expect(waits, "RUN waits until the operation has ended");
            ksft::expect_eq(report, EBUSY, "REPORT during the operation");
        }
        return seen;
    });
}

/*
 * What an importer keeps until its last close. A move is refused meanwhile, so a revoke holds the
 * lock.
 */
struct Kept {
    const char* name;
    Hold hold;
};

constexpr Kept kept[] = {
    {"pin", {.by_revoke = true, .attach_flags = dynamic | TESTEXP_ATTACH_PIN}},
    {"kernel_mapping", {.by_revoke = true, .mapped_by_kernel = true}},
};

/* A signal comes while the last close waits for the lock. The close still gives up what is kept. */
void closed_despite_a_signal(const Kept& kept) {
    const std::uint64_t used_before = device().read_info().value().used_pages;

    until_seen([&] {
        HeldLock lock(kept.hold);
        Caller caller([&] { return close_importer(lock); });
        const bool asleep = caller.wait_until_asleep();

        caller.interrupt();
        std::this_thread::sleep_for(limits::for_a_wrong_end);

        const bool seen = asleep && lock.is_held();

        lock.release();
        ksft::expect_eq(caller.result(), 0, "close");

        const testexp_stats stats = device().stats(lock.buffer().fd.get()).value();

        ksft::expect_eq(stats.unpins, stats.pins, "unpins, against pins");
        ksft::expect_eq(stats.detaches + 1, stats.attaches, "detaches and one, against attaches");
        return seen;
    });
    ksft::expect_eq(device().read_info().value().used_pages, used_before, "used_pages");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Call& call : interruptible) {
        const std::string parameters = std::string("[call=") + call.name + "]";

        plan.add("P5.waits_for_the_lock" + parameters, [&] { waits(call); });
        plan.add("P5.signal_ends_the_wait" + parameters, [&] { interrupted(call, true, EINTR); });
        plan.add("P5.kill_ends_the_wait" + parameters, [&] { killed(call); });
    }
    for (const Call& call : uninterruptible) {
        const std::string parameters = std::string("[call=") + call.name + "]";

        plan.add("P5.waits_for_the_lock" + parameters, [&] { waits(call); });
        plan.add("P5.signal_does_not_end_the_wait" + parameters,
                 [&] { interrupted(call, false, 0); });
    }
    for (const Call& call : in_steps)
        plan.add(std::string("P5.signal_ends_the_next_step[call=") + call.name + "]",
                 [&] { interrupted(call, false, EINTR); });
    plan.add(std::string("P5.waits_for_the_fence[call=") + fence_wait.name + "]",
             [] { waits(fence_wait); });
    plan.add(std::string("P5.signal_ends_the_wait_for_the_fence[call=") + fence_wait.name + "]",
             [] { interrupted(fence_wait, true, EINTR); });
    plan.add("P5.kill_ends_the_call[call=RESOLVE,form=unlocked]", killed_in_resolve);
    plan.add("P5.run_waits_for_the_operation", run_waits_for_the_operation);
    for (const Kept& each : kept)
        plan.add(std::string("P5.closed_despite_a_signal[kept=") + each.name + "]",
                 [&] { closed_despite_a_signal(each); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
