// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: testexp_runs_sort() of the module sorts, offers the processor regularly, and ends at once
 * when the process is killed, without losing a run. So a CREATE of a million runs does not
 * monopolise a processor, and a killed process ends.
 *
 * Method: the module's runs.c unchanged, with a scheduler that counts the offers and kills.
 * "Regularly" means a number of offers, not a time.
 */
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

extern "C" {
#include "exporter/runs.h"
}
#include <linux/sched.h>
#include <linux/sched/signal.h>

namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

std::uint64_t rescheds;
std::uint64_t asked;
std::uint64_t killed_after = never; /* the number of times it is asked whether it was killed */

} // namespace

extern "C" {

void cond_resched(void) {
    rescheds++;
}

int fatal_signal_pending(int /*task*/) {
    return asked++ >= killed_after ? 1 : 0;
}
}

namespace {

class Runs : public testing::Test {
protected:
    Runs() {
        rescheds = 0;
        asked = 0;
        killed_after = never;
    }

    static std::vector<memory_run> of(const std::vector<u64>& pfns) {
        std::vector<memory_run> runs;

        runs.reserve(pfns.size());
        for (const u64 pfn : pfns)
            runs.push_back(
                {.pfn = pfn, .nr_pages = pfn ^ 0x5555}); /* moves together with its PFN */
        return runs;
    }

    static std::vector<u64> pfns_of(const std::vector<memory_run>& runs) {
        std::vector<u64> pfns;

        pfns.reserve(runs.size());
        for (const memory_run& run : runs) {
            EXPECT_EQ(run.nr_pages, run.pfn ^ 0x5555);
            pfns.push_back(run.pfn);
        }
        return pfns;
    }

    static void sorts(std::vector<u64> pfns) {
        std::vector<memory_run> runs = of(pfns);

        ASSERT_EQ(testexp_runs_sort(runs.data(), runs.size()), 0);
        std::ranges::sort(pfns);
        ASSERT_EQ(pfns_of(runs), pfns);
    }

    static std::vector<u64> shuffled(std::size_t count) {
        std::vector<u64> pfns(count);
        std::mt19937_64 random(42);

        std::iota(pfns.begin(), pfns.end(), u64{0});
        std::ranges::shuffle(pfns, random);
        return pfns;
    }
};

TEST_F(Runs, SortsEveryOrderOfUpTo8) {
    for (std::size_t count = 0; count <= 8; count++) {
        std::vector<u64> pfns(count);

        std::iota(pfns.begin(), pfns.end(), u64{10});
        do
            sorts(pfns);
        while (std::ranges::next_permutation(pfns).found);
    }
}

TEST_F(Runs, SortsEqualAndExtremePfns) {
    sorts({7, 7, 7});
    sorts({~u64{0}, 0, u64{1} << 63, 7, 0, ~u64{0} - 1});
}

TEST_F(Runs, SortsMany) {
    sorts(shuffled(100001));
    std::vector<u64> descending(4096);

    std::iota(descending.rbegin(), descending.rend(), u64{0});
    sorts(descending);
}

/*
 * One and a half offers for each run. Between two offers there are at most 2 * log2(n)
 * comparisons.
 */
TEST_F(Runs, OffersTheProcessorAllTheTime) {
    constexpr std::size_t count = 100000;
    std::vector<memory_run> runs = of(shuffled(count));

    ASSERT_EQ(testexp_runs_sort(runs.data(), runs.size()), 0);
    EXPECT_GE(rescheds, count);
}

TEST_F(Runs, EndsAtOnceWhenKilled) {
    constexpr std::size_t count = 1000;
    const std::vector<u64> pfns = shuffled(count);

    for (u64 when = 0; when < count + count / 2 - 1; when++) {
        std::vector<memory_run> runs = of(pfns);

        asked = 0;
        killed_after = when;
        ASSERT_EQ(testexp_runs_sort(runs.data(), runs.size()), -EINTR) << when;
        EXPECT_EQ(asked, when + 1) << "it is asked no more";

        std::vector<u64> left = pfns_of(runs);

        std::ranges::sort(left);
        for (u64 i = 0; i < count; i++)
            ASSERT_EQ(left[i], i) << "a run is lost";
    }
}

} // namespace
