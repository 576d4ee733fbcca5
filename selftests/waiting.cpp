// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: a call that needs the reservation lock waits while a move holds the lock, and goes on when
 * the move has ended (P5). A signal ends the wait with EINTR where the ABI says so, and only there;
 * so does SIGKILL.
 *
 * Method: a move that waits for a fence holds the lock until the test signals the fence.
 * /proc/PID/syscall shows that the call sleeps. Only the order of events is judged: whether a call
 * ended before the move did.
 *
 * Does not see: where in the call it sleeps; REVOKE, which is in revoke.
 */
#include <csignal>
#include <thread>

#include "child.hpp"
#include "waiting.hpp"

using namespace testexp;

namespace {

constexpr std::uint32_t dynamic = TESTEXP_ATTACH_DYNAMIC;

struct Call {
    const char* name;
    /* Returns the errno or 0. */
    int (*make)(HeldLock& lock);
    bool needs_pfns;
};

int code_of_attach(HeldLock& lock, std::uint32_t flags) {
    return device().attach(lock.buffer().fd.get(), flags).code();
}

template <testexp_fill_mode mode> int fill(HeldLock& lock) {
    return lock.importer().fill({.mode = mode}).code();
}

/* A single batch: MEASURE looks for signals between batches. */
template <testexp_path path> int measure(HeldLock& lock) {
    return lock.importer().measure({.path = path, .batches = 1, .warmup_batches = 0}).code();
}

/* The module takes the lock itself, and a signal ends the wait. */
constexpr Call interruptible[] = {
    {"STATS", [](HeldLock& lock) { return device().stats(lock.buffer().fd.get()).code(); }, false},
    {"RESTORE", [](HeldLock& lock) { return device().restore(lock.buffer().fd.get()).code(); },
     false},
    {"MOVE", [](HeldLock& lock) { return lock.move(); }, false},
    {"MAP,flags=kernel", [](HeldLock& lock) { return lock.importer().map_kernel().code(); }, false},
    {"DESCRIBE", [](HeldLock& lock) { return lock.importer().describe(0).code(); }, false},
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
    {"close",
     [](HeldLock& lock) {
         const Importer closed = std::move(lock.importer());

         return 0;
     },
     false},
};

void require(const Call& call) {
    if (call.needs_pfns)
        require_pfns();
}

void waits(const Call& call) {
    require(call);
    until_seen([&] {
        HeldLock lock;
        Caller caller([&] { return call.make(lock); });
        const bool seen = caller.wait_until_asleep() && lock.is_held();

        lock.release();
        ksft::expect_eq(caller.result(), 0, call.name);
        return seen;
    });
}

/* A signal comes while the call waits for the lock; @ends: it ends the call. */
void interrupted(const Call& call, bool ends) {
    require(call);
    until_seen([&] {
        HeldLock lock;
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
            ksft::expect_eq(code, ends ? EINTR : 0, call.name);
        return seen;
    });
}

/* The call is in a process of its own, so that the move survives the kill. */
void killed(const Call& call) {
    require(call);
    until_seen([&] {
        HeldLock lock;
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

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Call& call : interruptible) {
        const std::string parameters = std::string("[call=") + call.name + "]";

        plan.add("P5.waits_for_the_lock" + parameters, [&] { waits(call); });
        plan.add("P5.signal_ends_the_wait" + parameters, [&] { interrupted(call, true); });
        plan.add("P5.kill_ends_the_wait" + parameters, [&] { killed(call); });
    }
    for (const Call& call : uninterruptible) {
        const std::string parameters = std::string("[call=") + call.name + "]";

        plan.add("P5.waits_for_the_lock" + parameters, [&] { waits(call); });
        plan.add("P5.signal_does_not_end_the_wait" + parameters, [&] { interrupted(call, false); });
    }
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
