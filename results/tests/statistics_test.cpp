// SPDX-License-Identifier: GPL-2.0
/* Compares with published values, with counts by hand, and with rules that hold for all values. */
#include <bit>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "statistics.hpp"

namespace {

using Sample = std::vector<double>;

/* The example of SciPy's documentation of mannwhitneyu: ages at a diagnosis. */
const Sample males = {19, 22, 16, 29, 24};
const Sample females = {20, 11, 17, 12};

Sample first(std::size_t count, double from = 1) {
    Sample values(count);

    std::iota(values.begin(), values.end(), from);
    return values;
}

/*
 * Every choice of the values of @after among all values, counted. No rank is needed: U is the
 * number of pairs in which the chosen value is the larger one.
 */
double chosen_p(const Sample& before, const Sample& after) {
    const unsigned all_bits = 1U << (before.size() + after.size());
    const double wanted = report::mann_whitney(before, after).u;
    Sample all = before;
    int total = 0;
    int as_low = 0;
    int as_high = 0;

    all.insert(all.end(), after.begin(), after.end());
    for (unsigned chosen = 0; chosen < all_bits; chosen++) {
        double u = 0;

        if (static_cast<std::size_t>(std::popcount(chosen)) != after.size())
            continue;
        for (std::size_t i = 0; i < all.size(); i++) {
            for (std::size_t j = 0; j < all.size(); j++) {
                if (((chosen >> i) & 1U) != 0 && ((chosen >> j) & 1U) == 0)
                    u += all[i] > all[j] ? 1 : all[i] == all[j] ? 0.5 : 0;
            }
        }
        total++;
        as_low += u <= wanted ? 1 : 0;
        as_high += u >= wanted ? 1 : 0;
    }
    return std::min(1.0, 2.0 * std::min(as_low, as_high) / total);
}

TEST(Statistics, Median) {
    EXPECT_EQ(report::median(Sample{3, 1, 2}), 2);
    EXPECT_EQ(report::median(Sample{4, 1, 2, 3}), 2.5);
    EXPECT_EQ(report::median(Sample{7}), 7);
}

TEST(Statistics, MannWhitneyAsPublished) {
    const auto found = report::mann_whitney(females, males);

    EXPECT_EQ(found.u, 17);
    EXPECT_TRUE(found.is_exact);
    EXPECT_NEAR(found.p, 0.11111111, 1e-8);
}

TEST(Statistics, MannWhitneyIsCounted) {
    for (int above = 0; above <= 5; above++) {
        Sample four = {0.1, 0.2, 0.3};

        four.push_back(above + 0.5); /* so that U is @above */
        EXPECT_NEAR(report::mann_whitney(first(5), four).p, chosen_p(first(5), four), 1e-12)
            << above;
        EXPECT_EQ(report::mann_whitney(first(5), four).u, above);
    }
}

/* Critical values of U in every table: 17 for two samples of 9 at 5 %, 23 for two of 10. */
TEST(Statistics, MannWhitneyAtItsCriticalValues) {
    for (const auto& [count, critical] : {std::pair{9, 17}, std::pair{10, 23}}) {
        for (const int u : {critical, critical + 1}) {
            const Sample before = first(static_cast<std::size_t>(count));
            Sample after;

            for (int i = 0, left = u; i < count; i++) {
                const int here = std::min(left, count);

                after.push_back(here + 0.5 + i * 0.001);
                left -= here;
            }

            const auto found = report::mann_whitney(before, after);

            ASSERT_EQ(found.u, u);
            EXPECT_EQ(found.p <= 0.05, u == critical) << found.p;
        }
    }
}

TEST(Statistics, NineAgainstNineAtTheirFarthest) {
    EXPECT_NEAR(report::mann_whitney(first(9), first(9, 100)).p, 2.0 / 48620, 1e-12);
}

TEST(Statistics, TiesAreCountedToo) {
    const std::pair<Sample, Sample> pairs[] = {{{1, 2, 2, 3}, {2, 3, 4, 4}},
                                               {{1, 1, 2, 2, 5}, {2, 5, 5, 6, 7}},
                                               {{1, 1, 1, 1, 1, 2}, {1, 2, 2}},
                                               {{3, 3, 3, 4}, {1, 1, 1, 3, 3, 4, 9}}};

    for (const auto& [before, after] : pairs) {
        const auto found = report::mann_whitney(before, after);

        EXPECT_TRUE(found.is_exact);
        EXPECT_NEAR(found.p, chosen_p(before, after), 1e-12) << found.u;
    }
}

TEST(Statistics, OneTieDoesNotHideTheFarthestSamples) {
    Sample before = first(9);

    before[1] = before[0];
    EXPECT_NEAR(report::mann_whitney(before, first(9, 100)).p, 2.0 / 48620, 1e-12);
}

TEST(Statistics, SmallestPIsThatOfTheFarthestSamples) {
    for (const auto& [n, m] :
         {std::pair{1, 1}, std::pair{2, 3}, std::pair{9, 9}, std::pair{9, 4}}) {
        const Sample before = first(static_cast<std::size_t>(n));
        const Sample after = first(static_cast<std::size_t>(m), 100);

        EXPECT_NEAR(report::smallest_p(before.size(), after.size()),
                    report::mann_whitney(before, after).p, 1e-12);
    }
}

/* By hand: U is 507 of 676, 169 from its mean; ties of 13 and 39 values take 61464 / 2652 off. */
TEST(Statistics, TiesOfManyValuesTakeTheNormalApproximation) {
    Sample before(13, 1.0);
    const Sample after(26, 2.0);

    before.insert(before.end(), 13, 2.0);

    const auto found = report::mann_whitney(before, after);
    const double z = (169 - 0.5) / std::sqrt(676.0 / 12 * (53 - 61464.0 / 2652));

    EXPECT_EQ(found.u, 507);
    EXPECT_FALSE(found.is_exact);
    EXPECT_NEAR(found.p, std::erfc(z / std::sqrt(2)), 1e-12);
}

TEST(Statistics, NormalApproximationIsNearTheExactValue) {
    const Sample before = first(25);
    const Sample after = first(25, 6.5);
    Sample one_more = before;

    one_more.push_back(0.5); /* 26 values: no longer counted */
    EXPECT_TRUE(report::mann_whitney(before, after).is_exact);
    EXPECT_FALSE(report::mann_whitney(one_more, after).is_exact);
    EXPECT_NEAR(report::mann_whitney(before, after).p, report::mann_whitney(one_more, after).p,
                0.01);
}

TEST(Statistics, EqualSamplesDoNotDiffer) {
    const Sample same(9, 5.0);

    EXPECT_EQ(report::mann_whitney(same, same).p, 1);
    EXPECT_EQ(report::cliffs_delta(same, same), 0);
    EXPECT_EQ(report::median_interval(same).low, 5);
    EXPECT_EQ(report::median_interval(same).high, 5);
    EXPECT_EQ(report::ratio_interval(same, same).high, 1);
}

TEST(Statistics, EffectSize) {
    EXPECT_EQ(report::cliffs_delta(first(9), first(9, 100)), 1);
    EXPECT_EQ(report::cliffs_delta(first(9, 100), first(9)), -1);
    EXPECT_NEAR(report::cliffs_delta(females, males), 2 * 17.0 / 20 - 1, 1e-12);
    EXPECT_STREQ(report::effect_name(-0.1), "negligible");
    EXPECT_STREQ(report::effect_name(-0.5), "large");
}

/* Of 9 values the bootstrap's median is the k-th with a known probability; the middle 95 % of it
 * are the 2nd or 3rd to the 7th or 8th. */
TEST(Statistics, IntervalOfTheMedian) {
    const auto interval = report::median_interval(first(9));

    EXPECT_TRUE(interval.low == 2 || interval.low == 3) << interval.low;
    EXPECT_TRUE(interval.high == 7 || interval.high == 8) << interval.high;
    EXPECT_EQ(report::median_interval(first(9)).low, interval.low) << "the same every time";
}

/* 200 samples of 9 of a uniform distribution: the interval must hold the true median in about 95 %.
 */
TEST(Statistics, IntervalHoldsTheTruth) {
    unsigned long state = 1;
    int held = 0;

    for (int experiment = 0; experiment < 200; experiment++) {
        Sample values;

        for (int i = 0; i < 9; i++) {
            state = state * 6364136223846793005UL + 1442695040888963407UL;
            values.push_back(static_cast<double>(state >> 11U) / static_cast<double>(1UL << 53U));
        }

        const auto interval = report::median_interval(values);

        held += interval.low <= 0.5 && 0.5 <= interval.high ? 1 : 0;
    }
    EXPECT_GE(held, 180);
    EXPECT_LT(held, 200);
}

TEST(Statistics, IntervalOfARatio) {
    const Sample before = {100, 101, 102, 99, 98, 100, 103, 97, 100};
    Sample after;

    for (const double value : before)
        after.push_back(value * 2);

    const auto interval = report::ratio_interval(before, after);

    EXPECT_LT(interval.low, 2);
    EXPECT_GT(interval.high, 2);
    EXPECT_NEAR(interval.low, 2, 0.1);
    EXPECT_NEAR(interval.high, 2, 0.1);
}

/* As R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm"). */
TEST(Statistics, HolmsCorrection) {
    const auto adjusted = report::holm(Sample{0.01, 0.04, 0.03, 0.005});

    EXPECT_NEAR(adjusted[0], 0.03, 1e-12);
    EXPECT_NEAR(adjusted[1], 0.06, 1e-12);
    EXPECT_NEAR(adjusted[2], 0.06, 1e-12);
    EXPECT_NEAR(adjusted[3], 0.02, 1e-12);
    EXPECT_TRUE(report::holm({}).empty());
}

} // namespace
