// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the reservation lock keeps out whom it has to, and nobody waits for it, or
 * for a fence, for ever: whatever two things importers do to a buffer at once, and
 * whichever sets of buffers they lock in whichever order (P7).
 *
 * Method: threads of the kernel and of this process make a number of operations each
 * (CONTEND). The exporter looks in its callbacks, and the contenders while they hold the
 * lock, whether anybody else is there. All operations must be made before the time is
 * up. The detector of hung tasks, where the kernel has it, is told to look often.
 *
 * Does not see: a lock that is held although nothing needs it. On an emulated machine
 * threads interleave, but do not run at once.
 */
#include <fstream>

#include "contended.hpp"
#include "paths.hpp"

using namespace testexp;

namespace {

struct Doing {
    const char* name;
    testexp_role role;
    testexp_path path;
};

constexpr Doing doings[] = {
    {"get_pfn", TESTEXP_ROLE_RESOLVE, TESTEXP_PATH_GET_PFN},
    {"get_pfn_batch", TESTEXP_ROLE_RESOLVE, TESTEXP_PATH_GET_PFN_BATCH},
    {"sgt_map", TESTEXP_ROLE_RESOLVE, TESTEXP_PATH_SGT_MAP},
    {"phys_list", TESTEXP_ROLE_RESOLVE, TESTEXP_PATH_PHYS_LIST},
    {"follow_pfnmap_cold", TESTEXP_ROLE_RESOLVE, TESTEXP_PATH_FOLLOW_PFNMAP_COLD},
    {"hold", TESTEXP_ROLE_HOLD, {}},
    {"locked", TESTEXP_ROLE_LOCKED, {}},
    {"map", TESTEXP_ROLE_MAP, {}},
    {"attach", TESTEXP_ROLE_ATTACH, {}},
    {"fence_add", TESTEXP_ROLE_FENCE_ADD, {}},
    {"fence_wait", TESTEXP_ROLE_FENCE_WAIT, {}},
};

bool walks(testexp_path path) {
    return path == TESTEXP_PATH_FOLLOW_PFNMAP_PTE || path == TESTEXP_PATH_FOLLOW_PFNMAP_PMD ||
           path == TESTEXP_PATH_FOLLOW_PFNMAP_COLD;
}

/* The address for a path that goes by this process's page table; else 0. */
std::uint64_t address_for(testexp_path path, const Mapping& mapping) {
    if (!walks(path))
        return 0;
    REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");
    return reinterpret_cast<std::uintptr_t>(mapping.bytes().data());
}

/* A debug kernel takes a hundred times as long. */
bool slow() {
    return device().has(TESTEXP_FEAT_LOCKDEP) || device().has(TESTEXP_FEAT_KASAN);
}

std::uint64_t nr_ops() {
    return slow() ? 10 : quick() ? 50 : 500;
}

/* Two threads of the kernel and one of this process do the one, as many the other. */
void pair_of(const Doing& one, const Doing& other) {
    const Contended contended(1);
    const Mapping mapping = contended.map();
    ContentionSpec spec{.importers = contended.importers()};

    for (const Doing* doing : {&one, &other})
        for (const bool user : {false, false, true})
            spec.contenders.push_back({.role = doing->role,
                                       .path = doing->path,
                                       .ops = nr_ops(),
                                       .hold_ticks = 1000,
                                       .address = address_for(doing->path, mapping),
                                       .user = user});

    expect_warnings(0, [&] { (void)run_to_the_end(spec); });
    contended.expect_in_order();
}

/* One that sleeps with the lock wanted by all others, over and over. */
void exclusion(std::uint32_t nr_threads) {
    const Contended contended(1);
    ContentionSpec spec{.importers = contended.importers()};

    spec.contenders.push_back({.role = TESTEXP_ROLE_HOLD, .hold_ticks = 100000});
    for (std::uint32_t i = 0; i < nr_threads; i++)
        spec.contenders.push_back({.role = i % 2 ? TESTEXP_ROLE_LOCKED : TESTEXP_ROLE_RESOLVE,
                                   .path = i % 2 ? testexp_path{} : TESTEXP_PATH_GET_PFN,
                                   .ops = nr_ops(),
                                   .hold_ticks = 1000,
                                   .user = i % 4 == 3});

    (void)run_to_the_end(spec);
    ksft::expect_eq(contended.get_pfns(), nr_threads * nr_ops(), "calls the exporter has seen");
    contended.expect_in_order();
}

/* By every path, while somebody has the lock for half of the time. */
void beside_holder(const Path& path) {
    const Contended contended(1);
    const Mapping mapping = contended.map();
    ContentionSpec spec{.importers = contended.importers()};

    spec.contenders.push_back({.hold_ticks = 20000, .idle_ticks = 20000});
    for (const bool user : {false, true})
        spec.contenders.push_back({.role = TESTEXP_ROLE_RESOLVE,
                                   .path = path.id,
                                   .ops = nr_ops(),
                                   .address = address_for(path.id, mapping),
                                   .user = user});

    const std::vector<ContenderReport> reports = run_to_the_end(spec);

    for (const std::size_t resolver : {1, 2})
        ksft::expect_eq(reports[resolver].counts.pages != 0, *path.delivers != 0,
                        "whether pages were delivered");
    contended.expect_in_order();
}

std::uint64_t backoffs(const std::vector<ContenderReport>& reports) {
    std::uint64_t sum = 0;

    for (const ContenderReport& report : reports)
        sum += report.counts.backoffs;
    return sum;
}

/* All want all, each in an order of its own. Whoever backs off must get there in the end. */
void backoff_makes_progress(std::uint32_t nr_threads, std::uint32_t nr_buffers, bool user) {
    const Contended contended(nr_buffers);
    ContentionSpec spec{.importers = contended.importers(), .seed = seed()};
    std::uint64_t found = 0;

    for (std::uint32_t i = 0; i < nr_threads; i++)
        spec.contenders.push_back({.role = TESTEXP_ROLE_LOCKED,
                                   .count = nr_buffers,
                                   .ops = nr_ops(),
                                   .hold_ticks = 20000,
                                   .user = user});

    /* Whether two orders cross is up to the scheduler: until they do. */
    std::uint64_t rounds = 0;

    for (; found == 0; rounds++, spec.seed++)
        found += backoffs(run_to_the_end(spec));
    ksft::expect_eq(contended.get_pfns(), rounds * nr_threads * nr_ops() * nr_buffers,
                    "calls the exporter has seen");
    contended.expect_in_order();
}

/* Reports tasks that have been blocked for so long, if the kernel has who does. */
class HungTaskDetector {
public:
    HungTaskDetector() {
        std::ifstream(path) >> before_;
        set(limits::hung_task_s);
    }
    HungTaskDetector(const HungTaskDetector&) = delete;
    HungTaskDetector& operator=(const HungTaskDetector&) = delete;
    ~HungTaskDetector() { set(before_); }

private:
    static constexpr const char* path = "/proc/sys/kernel/hung_task_timeout_secs";

    static void set(unsigned int seconds) { std::ofstream(path, std::ios::in) << seconds; }

    unsigned int before_ = 0;
};

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const std::uint32_t nr_threads : {1U, 2U, 8U})
        plan.add("P7.exclusion[threads=" + std::to_string(nr_threads) + "]",
                 [=] { exclusion(nr_threads); });
    for (const Path& path : paths)
        if (path.id != TESTEXP_PATH_FOLLOW_PFNMAP_PMD) /* the buffer is too small for one */
            plan.add(std::string("P7.beside_holder[path=") + path.name + "]",
                     [&] { beside_holder(path); });
    for (const Doing& one : doings)
        for (const Doing* other = &one; other != std::end(doings); other++)
            plan.add(std::string("P7.pair[roles=") + one.name + '+' + other->name + "]",
                     [&one, other] { pair_of(one, *other); });
    for (const bool user : {false, true})
        plan.add(std::string("P7.backoff[threads=8,buffers=16,by=") + (user ? "user" : "kernel") +
                     "]",
                 [=] { backoff_makes_progress(8, 16, user); });
}

} // namespace

int main() {
    const HungTaskDetector detector;

    return ksft::run(make_plan);
}
