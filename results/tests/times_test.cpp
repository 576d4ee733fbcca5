// SPDX-License-Identifier: GPL-2.0
/* Repetitions are merged into cases. Only a difference that chance does not explain is reported. */
#include <gtest/gtest.h>

#include "times.hpp"

namespace {

using report::Bench;

nlohmann::json row(const std::string& name, double mean, std::size_t process = 0) {
    return {{"name", name},    {"run_type", "iteration"}, {"mean", mean}, {"per_op", mean - 1},
            {"p50", mean},     {"max", 2 * mean},         {"ops", 100},   {"pages", 100},
            {"batches", 10.0}, {"process", process}};
}

/* @means: the means of a case, one for each process. The other case, "same", has equal means. */
Bench make_bench(const std::vector<double>& means) {
    nlohmann::json json = {{"context", {{"clock", "tsc"}, {"unit", "TSC cycles"}, {"cpu", "x"}}},
                           {"benchmarks", nlohmann::json::array()}};

    for (std::size_t process = 0; process < means.size(); process++) {
        json["benchmarks"].push_back(row("changed", means[process], process));
        json["benchmarks"].push_back(
            row("same", 51 + static_cast<double>(2 * process % 7), process));
    }
    json["benchmarks"].push_back({{"name", "changed"}, {"run_type", "aggregate"}, {"per_op", 1}});
    return report::parse_bench(json);
}

const std::vector<double> nine = {100, 101, 99, 102, 98, 103, 97, 104, 96};

std::vector<double> times(double factor) {
    std::vector<double> scaled = nine;

    for (double& value : scaled)
        value *= factor;
    return scaled;
}

TEST(Times, RepetitionsAreOneCase) {
    const Bench bench = make_bench(nine);

    ASSERT_EQ(bench.cases.size(), 2U) << "and what the library made of them is none";
    EXPECT_EQ(bench.cases[0].means, nine);
    EXPECT_EQ(bench.cases[0].get("per_op"), 95) << "of the fastest";
    EXPECT_EQ(bench.cases[0].get("max"), 208) << "of the slowest";
    EXPECT_EQ(bench.cases[0].get("p50"), 100) << "the median";
    EXPECT_EQ(bench.cases[0].get("ops"), 900) << "all of them";
}

TEST(Times, RepetitionsInOneProcessAreOneValue) {
    nlohmann::json json = {{"context", {{"clock", "tsc"}}},
                           {"benchmarks", nlohmann::json::array()}};

    for (const double mean : {1.0, 2.0, 9.0}) {
        json["benchmarks"].push_back(row("a", mean));
        json["benchmarks"].back()["repetition_index"] = json["benchmarks"].size();
    }
    json["benchmarks"].push_back(row("a", 7, 1));
    EXPECT_EQ(report::parse_bench(json).cases.at(0).means, (std::vector<double>{2, 7}));
}

TEST(Times, CaseThatStandsThereTwiceIsRefused) {
    nlohmann::json json = {{"context", {{"clock", "tsc"}}},
                           {"benchmarks", {row("a", 1), row("a", 2)}}};

    EXPECT_THROW((void)report::parse_bench(json), std::invalid_argument);
    json["benchmarks"][1]["repetition_index"] = 1;
    EXPECT_EQ(report::parse_bench(json).cases.size(), 1U) << "a repetition";
    json["benchmarks"][1]["repetition_index"] = 0;
    json["benchmarks"][1]["process"] = 1;
    EXPECT_EQ(report::parse_bench(json).cases.size(), 1U) << "another process";
}

TEST(Times, FailedRepetitionFailsTheCase) {
    nlohmann::json json = {{"context", {{"clock", "tsc"}}}, {"benchmarks", {row("a", 1)}}};

    json["benchmarks"].push_back({{"name", "a"},
                                  {"repetition_index", 1},
                                  {"error_occurred", true},
                                  {"error_message", "no memory"}});

    const Bench bench = report::parse_bench(json);

    ASSERT_EQ(bench.cases.size(), 1U);
    EXPECT_EQ(bench.cases[0].error, "no memory");
}

TEST(Times, ADifferenceIsFoundAndOnlyThat) {
    const auto changes = report::compare_times(make_bench(nine), make_bench(times(1.2)));

    ASSERT_EQ(changes.size(), 2U);
    EXPECT_TRUE(changes[0].is_real(2));
    EXPECT_NEAR(changes[0].after / changes[0].before, 1.2, 1e-9);
    EXPECT_LT(changes[0].ratio.low, 1.2);
    EXPECT_GT(changes[0].ratio.high, 1.2);
    EXPECT_EQ(changes[0].delta, 1);
    EXPECT_NEAR(changes[0].p, 2 * 2.0 / 48620, 1e-9) << "two cases, so twice";
    EXPECT_FALSE(changes[1].is_real(2));
    EXPECT_EQ(changes[1].delta, 0);
}

TEST(Times, ASmallDifferenceIsNotReal) {
    EXPECT_FALSE(report::compare_times(make_bench(nine), make_bench(times(1.01)))[0].is_real(2));
}

TEST(Times, ALargeDifferenceOfFewRepetitionsIsNotReal) {
    EXPECT_FALSE(
        report::compare_times(make_bench({100, 101}), make_bench({150, 151}))[0].is_real(2));
}

/* Two cases, so twice the smallest p: 2 / 252 of five processes, 2 / 70 of four. */
TEST(Times, ADifferenceIsRealBelowFivePercent) {
    const std::vector<double> five(nine.begin(), nine.begin() + 5);
    const std::vector<double> four(nine.begin(), nine.begin() + 4);
    const std::vector<double> five_later = {200, 201, 202, 203, 204};
    const std::vector<double> four_later(five_later.begin(), five_later.begin() + 4);

    EXPECT_TRUE(report::compare_times(make_bench(five), make_bench(five_later))[0].is_real(2));
    EXPECT_FALSE(report::compare_times(make_bench(four), make_bench(four_later))[0].is_real(2));
}

std::vector<report::TimeChange> changes_of(std::size_t cases, std::size_t processes) {
    report::TimeChange change;

    change.before_count = change.after_count = processes;
    return std::vector(cases, change);
}

/* 2 / C(18, 9) times 1,216 is above 5 %. */
TEST(Times, ManyCasesNeedMoreProcesses) {
    EXPECT_EQ(report::processes_for(1), 9U);
    EXPECT_EQ(report::processes_for(1215), 9U);
    EXPECT_EQ(report::processes_for(1216), 10U);
    EXPECT_EQ(report::processes_for(1501), 10U);
    EXPECT_EQ(report::count_too_few(changes_of(1215, 9)), 0U);
    EXPECT_EQ(report::count_too_few(changes_of(1501, 9)), 1501U);
    EXPECT_EQ(report::count_too_few(changes_of(1501, 10)), 0U);
}

TEST(Times, EachCaseNeedsEnoughProcesses) {
    std::vector<report::TimeChange> changes = changes_of(100, 1);

    EXPECT_EQ(report::count_too_few(changes), 100U);
    changes[7].before_count = changes[7].after_count = 9;
    EXPECT_EQ(report::count_too_few(changes), 99U);
    changes[7].after_count = 1;
    EXPECT_EQ(report::count_too_few(changes), 100U) << "in both runs";
}

TEST(Times, CasesThatFailedOrAreGoneAreNamed) {
    const Bench before = make_bench(nine);
    Bench failed = before;
    Bench shorter = before;

    failed.cases[1].error = "no memory";
    failed.cases[1].means.clear();
    shorter.cases.erase(shorter.cases.begin());
    EXPECT_EQ(report::timed_only_in(before, failed), std::vector<std::string>{"same"});
    EXPECT_EQ(report::timed_only_in(before, shorter), std::vector<std::string>{"changed"});
    EXPECT_TRUE(report::timed_only_in(failed, before).empty());
    EXPECT_TRUE(report::timed_only_in(before, before).empty());
}

TEST(Times, EmulatedTimesAreNotCompared) {
    Bench emulated = make_bench(nine);
    Bench elsewhere = make_bench(nine);

    emulated.context["clock"] = "invalid";
    elsewhere.context["cpu"] = "y";
    EXPECT_TRUE(report::why_no_times(make_bench(nine), make_bench(nine)).empty());
    EXPECT_EQ(report::why_no_times(make_bench(nine), emulated).size(), 1U);
    EXPECT_EQ(report::why_no_times(elsewhere, make_bench(nine)),
              std::vector<std::string>{"cpu: y, but x"});
}

} // namespace
