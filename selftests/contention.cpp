// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the reservation lock excludes whom it must, and nobody waits for ever for the lock or for
 * a fence: whatever two things importers do to a buffer at once, and whatever sets of buffers they
 * lock in whatever order (P7).
 *
 * Method: threads of the kernel and of this process make a number of operations each (CONTEND). The
 * exporter's callbacks, and contenders that hold the lock, check that nobody else is there. All
 * operations must be made in time. The detector of hung tasks, where the kernel has it, is set to
 * check often.
 *
 * Does not see: a lock that is held without need. On an emulated machine threads interleave, but do
 * not run at once.
 */
#include <fstream>

#include "contended.hpp"

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

/* A debug kernel takes a hundred times as long. */
bool slow() {
    return device().has(TESTEXP_FEAT_LOCKDEP) || device().has(TESTEXP_FEAT_KASAN);
}

std::uint64_t nr_ops() {
    return slow() ? 10 : quick() ? 50 : 500;
}

/* Two kernel threads and one thread of this process do one thing, and as many do the other. */
void pair_of(const Doing& one, const Doing& other) {
    const Contended contended(1);
    const Mapping mapping = contended.map();
    ContentionSpec spec{.importers = contended.importers()};

    for (const Doing* doing : {&one, &other}) {
        const Path& path = path_row(doing->path);

        require_path(path);
        for (const bool user : {false, false, true})
            spec.contenders.push_back({.role = doing->role,
                                       .path = path.id,
                                       .ops = nr_ops(),
                                       .hold_ticks = 1000,
                                       .address = address_for(path, mapping),
                                       .user = user});
    }

    expect_warnings(0, [&] { (void)run_to_the_end(spec); });
    contended.expect_in_order();
}

/* One contender sleeps again and again with the lock held that all others want. */
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

/* Every path, while another contender holds the lock half of the time. */
void beside_holder(const Path& path) {
    const Contended contended(1);
    const Mapping mapping = contended.map();
    ContentionSpec spec{.importers = contended.importers()};

    require_path(path);
    spec.contenders.push_back({.hold_ticks = 20000, .idle_ticks = 20000});
    for (const bool user : {false, true})
        spec.contenders.push_back({.role = TESTEXP_ROLE_RESOLVE,
                                   .path = path.id,
                                   .ops = nr_ops(),
                                   .address = address_for(path, mapping),
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

/*
 * All contenders want all buffers, in different orders. Contenders that back off must make
 * progress.
 */
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

    /* The scheduler decides whether two orders cross, so repeat until they have crossed. */
    std::uint64_t rounds = 0;

    for (; found == 0; rounds++, spec.seed++)
        found += backoffs(run_to_the_end(spec));
    ksft::expect_eq(contended.get_pfns(), rounds * nr_threads * nr_ops() * nr_buffers,
                    "calls the exporter has seen");
    contended.expect_in_order();
}

/* Sets the time after which the kernel reports a blocked task, if the kernel has a detector. */
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
        if (path.leaf != Leaf::pmd) /* the buffer is too small for a PMD */
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
