// SPDX-License-Identifier: GPL-2.0
/* Counters are per operation, over all measurements, and always valid numbers. */
#include <cmath>

#include <gtest/gtest.h>

#include "sample.hpp"

namespace {

testexp::Measurement measure(std::uint32_t ops_per_batch, std::uint64_t pages,
                             std::initializer_list<std::uint64_t> batch_ticks) {
    testexp::Measurement result{{}, testexp::empty_hist()};

    for (const std::uint64_t ticks : batch_ticks)
        testexp_hist_add(&result.hist, ticks);
    result.totals.ops_per_batch = ops_per_batch;
    result.totals.ops = ops_per_batch * batch_ticks.size();
    result.totals.pages = pages;
    result.totals.clock_cost_ticks = 3;
    return result;
}

TEST(Sample, FastestBatchOfAllMeasurementsCounts) {
    bench::Sample sample;

    sample.add(measure(100, 200, {1200, 1500}));
    sample.add(measure(100, 200, {9000, 1100}));

    const auto counters = sample.counters();

    EXPECT_DOUBLE_EQ(counters.at("per_op"), 11);
    EXPECT_DOUBLE_EQ(counters.at("mean"), 32);
    EXPECT_DOUBLE_EQ(counters.at("max"), 90);
    EXPECT_DOUBLE_EQ(counters.at("ops"), 400);
    EXPECT_DOUBLE_EQ(counters.at("pages"), 400);
    EXPECT_DOUBLE_EQ(counters.at("batches"), 4);
    EXPECT_DOUBLE_EQ(counters.at("per_page"), 11);
    EXPECT_DOUBLE_EQ(counters.at("clock_cost"), 3);
}

/* Values below 16 have a bucket each, so percentiles are exact. 1,000 tell 99 % from 99.9 %. */
TEST(Sample, PercentilesAreOfBatchesPerOperation) {
    testexp::Measurement measurement = measure(10, 0, {});
    bench::Sample sample;

    for (int i = 1; i <= 1000; i++)
        testexp_hist_add(&measurement.hist, 10 + (i > 500) + (i > 900) + (i > 990) + (i > 999));
    measurement.totals.ops = 10000;
    sample.add(measurement);

    const auto counters = sample.counters();

    EXPECT_DOUBLE_EQ(counters.at("p50"), 1);
    EXPECT_DOUBLE_EQ(counters.at("p90"), 1.1);
    EXPECT_DOUBLE_EQ(counters.at("p99"), 1.2);
    EXPECT_DOUBLE_EQ(counters.at("p999"), 1.3);
    EXPECT_DOUBLE_EQ(counters.at("max"), 1.4);
}

TEST(Sample, PagesOfLargeBlocksAreCheaperThanOperations) {
    bench::Sample sample;

    sample.add(measure(10, 5120, {1000}));
    EXPECT_DOUBLE_EQ(sample.counters().at("per_op"), 100);
    EXPECT_DOUBLE_EQ(sample.counters().at("per_page"), 100.0 / 512);
}

TEST(Sample, SingleOperationsAreNotDivided) {
    testexp::Measurement singles = measure(2, 0, {40, 60});
    bench::Sample sample;

    singles.totals.mode = TESTEXP_MODE_SINGLE;
    singles.totals.ops = 2;
    sample.add(singles);
    EXPECT_DOUBLE_EQ(sample.counters().at("per_op"), 40);
    EXPECT_DOUBLE_EQ(sample.counters().at("mean"), 50);
    EXPECT_DOUBLE_EQ(sample.counters().at("batches"), 2);
}

TEST(Sample, BaselinesHaveNoCostPerPage) {
    bench::Sample sample;

    sample.add(measure(10, 0, {1000}));
    EXPECT_FALSE(sample.counters().contains("per_page"));
    for (const auto& [name, value] : sample.counters())
        EXPECT_TRUE(std::isfinite(value)) << name << ": not a JSON number";
}

} // namespace
