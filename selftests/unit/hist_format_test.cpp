// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: every value has one bucket, the buckets cover the whole range in order without gaps, and
 * no bucket is wider than 1/16 of its values.
 */
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

#include "testexp_hist.h"

namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

TEST(HistFormat, NumberOfBuckets) {
    EXPECT_EQ(TESTEXP_HIST_BUCKETS, 976U);
}

TEST(HistFormat, BucketsTileTheRange) {
    EXPECT_EQ(testexp_hist_lower(0), 0U);
    EXPECT_EQ(testexp_hist_upper(TESTEXP_HIST_BUCKETS - 1), largest);
    for (std::uint32_t index = 0; index + 1 < TESTEXP_HIST_BUCKETS; index++)
        ASSERT_EQ(testexp_hist_upper(index) + 1, testexp_hist_lower(index + 1)) << index;
}

TEST(HistFormat, EdgesFallIntoTheirBucket) {
    for (std::uint32_t index = 0; index < TESTEXP_HIST_BUCKETS; index++) {
        ASSERT_EQ(testexp_hist_index(testexp_hist_lower(index)), index);
        ASSERT_EQ(testexp_hist_index(testexp_hist_upper(index)), index);
    }
}

TEST(HistFormat, SmallValuesAreExact) {
    for (std::uint64_t value = 0; value < 32; value++) {
        EXPECT_EQ(testexp_hist_lower(testexp_hist_index(value)), value);
        EXPECT_EQ(testexp_hist_upper(testexp_hist_index(value)), value);
    }
}

TEST(HistFormat, AroundPowersOfTwo) {
    for (int bit = 0; bit < 64; bit++) {
        const std::uint64_t power = std::uint64_t{1} << bit;

        ASSERT_EQ(testexp_hist_log2(power), static_cast<std::uint32_t>(bit));
        for (const std::uint64_t value : {power - 1, power, power + 1}) {
            const std::uint32_t index = testexp_hist_index(value);

            ASSERT_LT(index, TESTEXP_HIST_BUCKETS);
            ASSERT_LE(testexp_hist_lower(index), value);
            ASSERT_GE(testexp_hist_upper(index), value);
        }
        ASSERT_EQ(testexp_hist_lower(testexp_hist_index(power)), power);
    }
}

TEST(HistFormat, ErrorIsAtMostOneSixteenth) {
    for (std::uint32_t index = 1; index < TESTEXP_HIST_BUCKETS; index++) {
        const std::uint64_t lower = testexp_hist_lower(index);

        ASSERT_LE(testexp_hist_upper(index) - lower, lower / 16) << index;
    }
}

TEST(HistFormat, Add) {
    testexp_hist hist{};

    testexp_hist_reset(&hist);
    EXPECT_EQ(hist.min, largest);
    EXPECT_EQ(hist.max, 0U);

    for (const std::uint64_t value : {std::uint64_t{100}, std::uint64_t{0}, largest})
        testexp_hist_add(&hist, value);
    EXPECT_EQ(hist.count, 3U);
    EXPECT_EQ(hist.sum, 99U); /* modulo 2^64 */
    EXPECT_EQ(hist.min, 0U);
    EXPECT_EQ(hist.max, largest);
    EXPECT_EQ(hist.buckets[0], 1U);
    EXPECT_EQ(hist.buckets[testexp_hist_index(100)], 1U);
    EXPECT_EQ(hist.buckets[TESTEXP_HIST_BUCKETS - 1], 1U);
}

} // namespace
