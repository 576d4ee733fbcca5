// SPDX-License-Identifier: GPL-2.0
#include "stats.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "hist.hpp"

using latency::empty_stats;
using latency::summarize;

namespace {

/* As the BPF program leaves a histogram: the count is the sum of the buckets. */
call_stats cpu_with(std::initializer_list<std::uint64_t> values_ns) {
    call_stats cpu = empty_stats();
    for (const std::uint64_t value : values_ns)
        testexp_hist_add(&cpu.hist, value);
    cpu.hist.count = 0;
    return cpu;
}

} // namespace

TEST(Stats, AnIdleCpuChangesNothing) {
    const std::vector<call_stats> cpus = {cpu_with({}), cpu_with({5, 900}), cpu_with({})};
    const auto all = summarize(cpus, 0, 0);

    EXPECT_EQ(all.hist.count, 2u);
    EXPECT_EQ(all.hist.min, 5u);
    EXPECT_EQ(all.hist.max, 900u);
    EXPECT_EQ(all.hist.sum, 905u);
    EXPECT_EQ(all.lost, 0u);
    EXPECT_EQ(all.unmatched, 0u);
}

TEST(Stats, BucketsOfAllCpusAddUp) {
    const std::vector<call_stats> cpus = {cpu_with({7, 7, 1000}), cpu_with({7, 1000})};
    const auto all = summarize(cpus, 0, 0);

    EXPECT_EQ(all.hist.buckets[7], 3u);
    EXPECT_EQ(all.hist.buckets[testexp_hist_index(1000)], 2u);
}

TEST(Stats, ALostMinimumOrMaximumIsTheEndOfABucket) {
    std::vector<call_stats> cpus = {cpu_with({1000, 5000, 900000})};
    cpus[0].hist.min = 5000;
    cpus[0].hist.max = 5000;
    const auto all = summarize(cpus, 0, 0);

    EXPECT_EQ(all.hist.min, 1023u) << "of the bucket from 992";
    EXPECT_EQ(all.hist.max, testexp_hist_lower(testexp_hist_index(900000)));
    EXPECT_EQ(testexp::percentile(all.hist, 100), all.hist.max);
}

TEST(Stats, CallsInFlightAndReturnsWithoutEntryAreUnmatched) {
    std::vector<call_stats> cpus = {cpu_with({10}), cpu_with({20})};
    cpus[1].unmatched = 4;

    EXPECT_EQ(summarize(cpus, 0, 3).unmatched, 7u);
}

TEST(Stats, WhatTheKernelMissedIsLost) {
    std::vector<call_stats> cpus = {cpu_with({10}), cpu_with({20})};
    cpus[1].lost = 2;

    EXPECT_EQ(summarize(cpus, 5, 0).lost, 7u);
}
