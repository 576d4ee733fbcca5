// SPDX-License-Identifier: GPL-2.0
/* Each process is told where its results go, and all of them become one file, whole. */
#include <cerrno>
#include <csignal>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "processes.hpp"

namespace {

/* Its $2 is the file of --out. */
bench::ProcessEnd run_script(const std::string& script) {
    return bench::run_process({"/bin/sh", "-c", script, "sh"}).value();
}

std::string results_of(const std::string& name, int repetition = 0) {
    return R"({"context": {"clock": "tsc", "date": ")" + name + R"("}, "benchmarks": [{"name": ")" +
           name + R"(", "repetition_index": )" + std::to_string(repetition) + "}]}";
}

TEST(Processes, TextAndStatusComeBack) {
    const auto end = run_script(R"(echo "$1" > "$2"; exit 3)");

    EXPECT_EQ(end.text, "--out\n");
    EXPECT_EQ(end.status, 3);
}

TEST(Processes, MoreThanAPipeHolds) {
    EXPECT_EQ(run_script(R"(head -c 1000000 /dev/zero > "$2")").text.size(), 1000000U);
}

TEST(Processes, DeathIsTold) {
    const auto end = run_script("kill -KILL $$");

    EXPECT_EQ(end.status, 128 + SIGKILL);
    EXPECT_EQ(end.text, "");
}

TEST(Processes, WhatDoesNotStartIsTold) {
    EXPECT_EQ(bench::run_process({"/no/such/program"}).code(), ENOENT);
}

TEST(Processes, AllResultsAreKeptWithTheirProcess) {
    const std::vector<std::string> texts = {results_of("a"), results_of("b"), results_of("a", 1)};
    const auto json = nlohmann::json::parse(bench::merge_processes(texts).value());

    EXPECT_EQ(json.at("context").at("date"), "a") << "of the first";
    ASSERT_EQ(json.at("benchmarks").size(), 3U);
    for (unsigned process = 0; process < 3; process++)
        EXPECT_EQ(json.at("benchmarks")[process].at("process"), process);
    EXPECT_EQ(json.at("benchmarks")[1].at("name"), "b");
    EXPECT_EQ(json.at("benchmarks")[2].at("repetition_index"), 1);
}

TEST(Processes, AFailureOfOneIsOneOfAllAndAMeasurementTells) {
    using bench::merge_statuses;
    using bench::nothing_measured;

    EXPECT_EQ(merge_statuses(nothing_measured, nothing_measured), nothing_measured);
    EXPECT_EQ(merge_statuses(nothing_measured, 0), 0);
    EXPECT_EQ(merge_statuses(0, nothing_measured), 0);
    EXPECT_EQ(merge_statuses(nothing_measured, 1), 1);
    EXPECT_EQ(merge_statuses(1, nothing_measured), 1);
    EXPECT_EQ(merge_statuses(1, 0), 1);
    EXPECT_EQ(merge_statuses(1, 139), 139);
}

TEST(Processes, WhatIsCutIsRefusedByItsNumber) {
    const std::vector<std::string> texts = {results_of("a"), results_of("a").substr(0, 40)};
    const auto merged = bench::merge_processes(texts);

    ASSERT_EQ(merged.code(), EINVAL);
    EXPECT_TRUE(merged.error().what.starts_with("process 2 gave no results"))
        << merged.error().what;
}

} // namespace
