// SPDX-License-Identifier: GPL-2.0
/* Percentiles of a histogram; writing a histogram as JSON and reading it again. */
#include <gtest/gtest.h>

#include "hist_json.hpp"

namespace {

using testexp::percentile;

testexp::NamedHistogram thousand() {
    testexp::NamedHistogram named{"f", "ns", testexp::empty_hist(), 2, 1, {{"mode", "kprobe"}}};

    for (std::uint64_t value = 1; value <= 1000; value++)
        testexp_hist_add(&named.hist, value);
    return named;
}

TEST(Hist, PercentilesAreAtMostABucketTooLarge) {
    const testexp_hist hist = thousand().hist;

    for (const double percent : {0.1, 1.0, 10.0, 50.0, 90.0, 99.0, 99.9}) {
        const double exact = percent * 10;
        const auto found = static_cast<double>(percentile(hist, percent));

        EXPECT_GE(found, exact) << percent;
        EXPECT_LE(found, exact * 1.0625 + 1) << percent;
    }
}

TEST(Hist, PercentilesStayWithinWhatWasRecorded) {
    testexp_hist hist = testexp::empty_hist();

    EXPECT_EQ(percentile(hist, 50), 0U) << "empty";
    testexp_hist_add(&hist, 1000);
    EXPECT_EQ(percentile(hist, 0), 1000U);
    EXPECT_EQ(percentile(hist, 100), 1000U) << "not the bucket's edge, 1023";
}

TEST(Hist, MergedIsAsIfRecordedTogether) {
    testexp_hist left = testexp::empty_hist();
    testexp_hist right = testexp::empty_hist();
    testexp_hist both = testexp::empty_hist();

    for (const std::uint64_t value : {5U, 700U, 70000U}) {
        testexp_hist_add(value < 100 ? &left : &right, value);
        testexp_hist_add(&both, value);
    }
    testexp::merge(left, right);
    EXPECT_EQ(std::memcmp(&left, &both, sizeof(both)), 0);
    EXPECT_DOUBLE_EQ(testexp::mean(both), 70705.0 / 3);
}

TEST(HistJson, SurvivesTheRoundTrip) {
    const nlohmann::json json = thousand();
    const auto back = json.get<testexp::NamedHistogram>();

    EXPECT_EQ(nlohmann::json(back), json);
    EXPECT_EQ(back.hist.min, 1U);
    EXPECT_EQ(nlohmann::json(testexp::NamedHistogram{}).at("min"), 0) << "empty";
}

TEST(HistJson, RefusesWhatIsNoHistogram) {
    const nlohmann::json good = thousand();
    nlohmann::json bad = good; /* signed numbers would be refused for their sign */

    bad["count"] = 999U;
    EXPECT_THROW(bad.get<testexp::NamedHistogram>(), std::invalid_argument);
    bad = good;
    bad["buckets"][40][0] = 1000U;
    EXPECT_THROW(bad.get<testexp::NamedHistogram>(), std::invalid_argument) << "no edge";
    bad = good;
    bad["min"] = 2U;
    EXPECT_THROW(bad.get<testexp::NamedHistogram>(), std::invalid_argument) << "a value is 1";
    bad = good;
    bad["max"] = 511U;
    EXPECT_THROW(bad.get<testexp::NamedHistogram>(), std::invalid_argument)
        << "some are 512 to 1023";
    bad = good;
    bad["buckets"] = nlohmann::json::parse("[[1023, 1000]]");
    bad["min"] = 1010U;
    EXPECT_THROW(bad.get<testexp::NamedHistogram>(), std::invalid_argument) << "min above max";
    bad["min"] = 990U;
    EXPECT_NO_THROW((void)bad.get<testexp::NamedHistogram>()) << "as of bpftrace: from 512";
    bad = good;
    bad["lost"] = -1;
    EXPECT_THROW(bad.get<testexp::NamedHistogram>(), std::invalid_argument);
    bad = good;
    bad.erase("unit");
    EXPECT_THROW(bad.get<testexp::NamedHistogram>(), nlohmann::json::exception);
}

} // namespace
