// SPDX-License-Identifier: GPL-2.0
/* The plan has each case once; what it makes of a case is what the name says; counters add up. */
#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "contention_plan.hpp"
#include "contention_sample.hpp"

namespace {

using bench::ContentionCase;

const ContentionCase& find(const std::vector<ContentionCase>& plan, const std::string& name) {
    const auto found = std::ranges::find(plan, name, &ContentionCase::name);

    if (found == plan.end())
        throw std::runtime_error("no case " + name);
    return *found;
}

TEST(ContentionPlan, NamesAreUnique) {
    for (const auto* preset : {&bench::quick_contention, &bench::default_contention}) {
        std::set<std::string> names;

        for (const ContentionCase& row : bench::make_contention_plan(*preset))
            EXPECT_TRUE(names.insert(row.name).second) << row.name;
    }
}

TEST(ContentionPlan, QuickIsAPartOfTheDefault) {
    const auto whole = bench::make_contention_plan(bench::default_contention);

    for (const ContentionCase& row : bench::make_contention_plan(bench::quick_contention))
        EXPECT_NO_THROW((void)find(whole, row.name));
}

testexp::ContentionSpec spec_of(const std::string& name) {
    const auto plan = bench::make_contention_plan(bench::quick_contention);
    const ContentionCase& row = find(plan, name);
    std::vector<int> importers(row.nr_buffers());
    std::vector<int> processors(row.processors());

    for (std::size_t i = 0; i < importers.size(); i++)
        importers[i] = 100 + static_cast<int>(i);
    for (std::size_t i = 0; i < processors.size(); i++)
        processors[i] = static_cast<int>(i);
    return bench::make_contention(row, {.ticks_per_ns = 2, .take_turns = true}, importers,
                                  processors, 4096);
}

TEST(ContentionPlan, NeighboursShareHalfASet) {
    const auto spec = spec_of("contention/path:get_pfn/threads:4/hold_ns:1000/buffers:sets");

    ASSERT_EQ(spec.contenders.size(), 4U);
    ASSERT_EQ(spec.importers.size(), 16U);
    for (std::uint32_t thread = 0; thread < 4; thread++) {
        const auto* mine = spec.importers.data() + spec.contenders[thread].first;
        const auto* next = spec.importers.data() + spec.contenders[(thread + 1) % 4].first;

        EXPECT_EQ(std::set<int>(mine, mine + 4).size(), 4U);
        EXPECT_EQ(mine[2], next[0]);
        EXPECT_EQ(mine[3], next[1]);
        EXPECT_EQ(spec.contenders[thread].hold_ticks, 2000U);
    }
}

TEST(ContentionPlan, HolderHasAProcessorOfItsOwnAndAllTheHold) {
    const auto spec =
        spec_of("contention/path:follow_pfnmap_pte/threads:2/hold_ns:1000/buffers:all/mix:holder");

    ASSERT_EQ(spec.contenders.size(), 3U);
    EXPECT_EQ(spec.contenders[2].role, TESTEXP_ROLE_HOLD);
    EXPECT_EQ(spec.contenders[2].cpu, 2);
    EXPECT_EQ(spec.contenders[2].hold_ticks, 2000U);
    EXPECT_EQ(spec.contenders[2].idle_ticks, 2000U);
    EXPECT_EQ(spec.contenders[0].hold_ticks, 0U);
    EXPECT_EQ(spec.contenders[0].address, 4096U);
}

TEST(ContentionSample, ThreadsAddUp) {
    bench::ContentionSample sample;
    std::vector<testexp::ContenderReport> threads(2);
    testexp_run run{};

    run.ticks = 1000;
    threads[0].counts.ops = 30;
    threads[1].counts.ops = 10;
    threads[1].counts.backoffs = 3;
    testexp_hist_add(&threads[0].op, 7);
    sample.add(run, threads);
    sample.add(run, threads);

    const auto counters = sample.counters();

    EXPECT_DOUBLE_EQ(counters.at("per_op"), 25);
    EXPECT_DOUBLE_EQ(counters.at("ops"), 80);
    EXPECT_DOUBLE_EQ(counters.at("ops_min"), 20);
    EXPECT_DOUBLE_EQ(counters.at("ops_max"), 60);
    EXPECT_DOUBLE_EQ(counters.at("backoffs"), 6);
    EXPECT_DOUBLE_EQ(counters.at("max"), 7);
    EXPECT_FALSE(counters.contains("wait_p50")) << "no wait was recorded";
}

TEST(ContentionSample, AddedWindowsDoNotTellHowFairTheLockIs) {
    bench::ContentionSample sample;
    std::vector<testexp::ContenderReport> threads(2);
    testexp_run run{};

    threads[0].counts.ops = 30;
    sample.add(run, threads);
    threads[0].counts.ops = 0;
    threads[1].counts.ops = 30;
    sample.add(run, threads, false);

    const auto counters = sample.counters();

    EXPECT_DOUBLE_EQ(counters.at("ops"), 60);
    EXPECT_DOUBLE_EQ(counters.at("batches"), 2);
    EXPECT_DOUBLE_EQ(counters.at("ops_min"), 0);
    EXPECT_DOUBLE_EQ(counters.at("ops_max"), 30);
    EXPECT_DOUBLE_EQ(counters.at("jain"), 0.5);
}

/* Values below 16 have a bucket each, so percentiles are exact. 1,000 tell 99 % from 99.9 %. */
TEST(ContentionSample, EachCounterIsOfItsOwnHistogram) {
    bench::ContentionSample sample;
    std::vector<testexp::ContenderReport> threads(1);
    testexp_run run{};

    threads[0].counts.ops = 1000;
    for (const auto& [first, hist] :
         {std::pair{1U, &threads[0].op}, std::pair{6U, &threads[0].wait},
          std::pair{11U, &threads[0].hold}}) {
        for (int i = 1; i <= 1000; i++)
            testexp_hist_add(hist, first + (i > 500) + (i > 900) + (i > 990) + (i > 999));
    }
    sample.add(run, threads);

    const auto counters = sample.counters();

    for (const auto& [first, prefix] :
         {std::pair{1, ""}, std::pair{6, "wait_"}, std::pair{11, "hold_"}}) {
        int expected = first;

        for (const char* name : {"p50", "p90", "p99", "p999", "max"})
            EXPECT_EQ(counters.at(std::string(prefix) + name), expected++) << prefix << name;
    }
}

TEST(Jain, OneIsEvenAndOneByNIsAllForOne) {
    const std::vector<std::uint64_t> even(8, 5);
    const std::vector<std::uint64_t> one = {0, 0, 0, 9};

    EXPECT_DOUBLE_EQ(testexp::jain_index(even), 1);
    EXPECT_DOUBLE_EQ(testexp::jain_index(one), 0.25);
    EXPECT_DOUBLE_EQ(testexp::jain_index({}), 1);
}

} // namespace
