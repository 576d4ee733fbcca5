// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: lockdep reports a caller that holds the reservation lock where it must not, before there
 * is a deadlock: at the unlocked form, attach, detach and export. It also reports an importer that
 * calls get_pfn with a lock of its own around the reservation lock (P7).
 *
 * Method: the lock belongs to another buffer, which makes no difference to lockdep. A report
 * switches lockdep off: so this program is the last of a run, and only one case works per boot.
 * scripts/test boots once for each (KSFT_CASES).
 *
 * Does not see: dma_buf_put() with the lock held. Its work is done later, without the lock.
 */
#include <fstream>

#include "bufinfo.hpp"
#include "fixture.hpp"
#include "kmsg.hpp"

using namespace testexp;

namespace {

struct Wrong {
    const char* name;
    testexp_misuse_case which;
    const char* report;
};

constexpr Wrong wrong_calls[] = {
    {"P7.lock_held[call=get_pfn_unlocked]", TESTEXP_MISUSE_LOCK_HELD,
     "possible recursive locking detected"},
    {"P7.lock_held[call=attach]", TESTEXP_MISUSE_LOCK_HELD_ATTACH,
     "possible recursive locking detected"},
    {"P7.lock_held[call=detach]", TESTEXP_MISUSE_LOCK_HELD_DETACH,
     "possible recursive locking detected"},
    {"P7.lock_held[call=export]", TESTEXP_MISUSE_LOCK_HELD_EXPORT,
     "possible circular locking dependency detected"},
    {"P7.importers_lock_outside[call=get_pfn_unlocked]", TESTEXP_MISUSE_LOCK_OUTSIDE,
     "possible circular locking dependency detected"},
};

bool lockdep_is_on() {
    std::ifstream stats("/proc/lockdep_stats");

    for (std::string line; std::getline(stats, line);)
        if (line.find("debug_locks:") != std::string::npos)
            return line.back() == '1';
    return false;
}

void reported(const Wrong& wrong) {
    REQUIRE(device().has(TESTEXP_FEAT_LOCKDEP), "only lockdep reports this");
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    REQUIRE(lockdep_is_on(), "an earlier case has switched lockdep off; boot again for this case");

    /*
     * A reader of bufinfo takes the list's lock and then each buffer's lock. Export must not take
     * them in the other order.
     */
    if (wrong.which == TESTEXP_MISUSE_LOCK_HELD_EXPORT) {
        const Buffer buffer = device().create({.layout = Layout{}.ram(1)}).value();

        (void)bufinfo_lines();
    }
    Kmsg log;

    ksft::expect_eq(device().misuse(wrong.which).value(), 0, "result");

    unsigned int reports = 0;

    for (const std::string& line : log.new_lines())
        if (line.find("WARNING: ") != std::string::npos) {
            reports++;
            ksft::expect(line.find(wrong.report) != std::string::npos, line + ": is the report");
        }
    ksft::expect_eq(reports, 1, "reports");
    ksft::expect(!lockdep_is_on(), "lockdep is off afterwards");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Wrong& wrong : wrong_calls)
        plan.add(wrong.name, [&] { reported(wrong); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
