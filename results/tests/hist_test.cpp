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
    bad["sum"] = 1000000U;
    EXPECT_THROW(bad.get<testexp::NamedHistogram>(), std::invalid_argument) << "min above max";
    bad = good;
    bad["lost"] = -1;
    EXPECT_THROW(bad.get<testexp::NamedHistogram>(), std::invalid_argument);
    bad = good;
    bad.erase("unit");
    EXPECT_THROW(bad.get<testexp::NamedHistogram>(), nlohmann::json::exception);
}

/* 10 values in the bucket from 992 to 1023. */
nlohmann::json ten() {
    testexp::NamedHistogram named{"f", "ns", testexp::empty_hist(), 0, 0, {}};

    for (std::uint64_t value = 1000; value < 1010; value++)
        testexp_hist_add(&named.hist, value);
    return named;
}

bool is_refused(const nlohmann::json& json) {
    try {
        (void)json.get<testexp::NamedHistogram>();
        return false;
    } catch (const std::invalid_argument&) {
        return true;
    }
}

TEST(HistJson, MinMaxAndSumAreThoseOfTheBuckets) {
    struct Row {
        const char* key;
        std::uint64_t value;
        bool ours;    /* whether a histogram of ours can have the value */
        bool octaves; /* whether one of bpftrace can, whose bucket begins at 512 */
    };

    EXPECT_FALSE(is_refused(ten()));
    for (const Row& row :
         {Row{"min", 511, false, false}, Row{"min", 512, false, true}, Row{"min", 991, false, true},
          Row{"min", 992, true, true}, Row{"max", 1023, true, true}, Row{"max", 1024, false, false},
          Row{"sum", 0, false, false}, Row{"sum", 5119, false, false},
          Row{"sum", 5120, false, true}, Row{"sum", 9919, false, true},
          Row{"sum", 9920, true, true}, Row{"sum", 10230, true, true},
          Row{"sum", 10231, false, false}}) {
        nlohmann::json json = ten();

        json[row.key] = row.value;
        EXPECT_EQ(is_refused(json), !row.ours) << row.key << " " << row.value;
        json["labels"]["tool"] = "bpftrace";
        EXPECT_EQ(is_refused(json), !row.octaves) << row.key << " " << row.value << ", octaves";
    }
}

TEST(HistJson, TheSumMayOverflow) {
    testexp::NamedHistogram named{"f", "ns", testexp::empty_hist(), 0, 0, {}};

    for (const std::uint64_t value : {~std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{5}})
        testexp_hist_add(&named.hist, value);
    EXPECT_EQ(std::uint64_t{named.hist.sum}, 3U);
    EXPECT_FALSE(is_refused(named));
    named.hist.sum = 4;
    EXPECT_TRUE(is_refused(named)) << "more than the upper ends";
}

TEST(HistJson, AnEmptyOneHasNoMaxAndNoSum) {
    for (const char* key : {"max", "sum"}) {
        nlohmann::json json = testexp::NamedHistogram{};

        EXPECT_FALSE(is_refused(json));
        json[key] = 1U;
        EXPECT_TRUE(is_refused(json)) << key;
    }
}

} // namespace
