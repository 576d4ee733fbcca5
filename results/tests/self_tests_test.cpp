// SPDX-License-Identifier: GPL-2.0
/* The report takes the verdicts of tests.json unchanged, and refuses a file that contradicts
 * itself. */
#include <gtest/gtest.h>

#include "self_tests.hpp"

namespace {

using nlohmann::json;

json make_case(const std::string& name, const std::string& verdict) {
    return {{"name", name}, {"verdict", verdict}, {"reason", "why"}, {"seconds", 0.5}};
}

/* A program of three cases, with a case of each verdict. */
json make_run() {
    const json program = {
        {"name", "a"},
        {"verdict", "failed"},
        {"status", 1},
        {"seconds", 3.5},
        {"cases",
         {make_case("P1", "passed"), make_case("P2", "failed"), make_case("P3", "skipped")}},
        {"faults", json::array()},
        {"announced", 0}};

    return {
        {"version", 1},
        {"complete", true},
        {"quick", true},
        {"passed", 1},
        {"failed", 1},
        {"skipped", 1},
        {"programs", {program}},
        {"planned", {"a"}},
        {"faults", json::array()},
        {"kernel_log", {{"judged", true}, {"why", ""}, {"bugs", json::array()}, {"announced", 2}}}};
}

/* The same program without a failed case. */
json make_good_run() {
    json run = make_run();

    run["programs"][0]["cases"][1]["verdict"] = "passed";
    run["passed"] = 2;
    run["failed"] = 0;
    return run;
}

TEST(SelfTests, AreTakenAsTheyAre) {
    const auto tests = report::parse_self_tests(make_run());

    EXPECT_EQ(tests.passed, 1);
    EXPECT_EQ(tests.failed, 1);
    EXPECT_EQ(tests.skipped, 1);
    ASSERT_EQ(tests.programs.size(), 1U);
    EXPECT_EQ(tests.programs[0].seconds, 3.5);
    ASSERT_EQ(tests.programs[0].cases.size(), 3U);
    EXPECT_EQ(tests.programs[0].cases[1].outcome, report::Outcome::fail);
    EXPECT_EQ(tests.programs[0].cases[2].reason, "why");
    EXPECT_EQ(tests.kernel_log.announced, 2);
    EXPECT_TRUE(tests.has_failed());
}

TEST(SelfTests, GoodRunHasNotFailed) {
    EXPECT_FALSE(report::parse_self_tests(make_good_run()).has_failed());
}

TEST(SelfTests, WhatCouldHideAFailureIsOne) {
    json run = make_good_run();

    run["complete"] = false;
    EXPECT_TRUE(report::parse_self_tests(run).has_failed());
    run = make_good_run();
    run["planned"].push_back("b");
    EXPECT_TRUE(report::parse_self_tests(run).has_failed());
    EXPECT_EQ(report::parse_self_tests(run).not_run, std::vector<std::string>{"b"});
    run = make_good_run();
    run["kernel_log"]["bugs"].push_back("BUG: here");
    EXPECT_TRUE(report::parse_self_tests(run).has_failed());
}

TEST(SelfTests, NothingPassedIsNoPass) {
    json run = make_good_run();

    EXPECT_FALSE(report::parse_self_tests(run).tested_nothing());
    run["programs"] = json::array();
    run["planned"] = json::array();
    run["passed"] = 0;
    run["skipped"] = 0;
    EXPECT_TRUE(report::parse_self_tests(run).tested_nothing());
}

TEST(SelfTests, TotalBetterThanTheProgramsIsRefused) {
    json run = make_run();

    run["failed"] = 0;
    EXPECT_THROW((void)report::parse_self_tests(run), std::exception);
    run = make_good_run();
    run["programs"][0]["faults"] = {"timed out"};
    EXPECT_THROW((void)report::parse_self_tests(run), std::exception);
    run = make_good_run();
    run["faults"] = {"the module cannot be unloaded"};
    EXPECT_THROW((void)report::parse_self_tests(run), std::exception);
}

TEST(SelfTests, EachTotalIsThatOfThePrograms) {
    for (const char* total : {"passed", "failed", "skipped"}) {
        json run = make_run();

        run[total] = 2;
        EXPECT_THROW((void)report::parse_self_tests(run), std::exception) << total;
    }
}

TEST(SelfTests, OtherThingsAreRefused) {
    json run = make_run();

    run["programs"][0]["cases"][0]["verdict"] = "fine";
    EXPECT_THROW((void)report::parse_self_tests(run), std::exception);
    run = make_run();
    run["version"] = 2;
    EXPECT_THROW((void)report::parse_self_tests(run), std::exception);
    run = make_run();
    run.erase("complete");
    EXPECT_THROW((void)report::parse_self_tests(run), std::exception);
    run = make_run();
    run.erase("quick");
    EXPECT_THROW((void)report::parse_self_tests(run), std::exception);
}

/* What ended the run at its start stands in its faults, and must not be lost as damage. */
TEST(SelfTests, RunThatEndedBeforeItLookedForLeaksIsRead) {
    json run = make_good_run();

    run["leaks"] = json::object();
    run["faults"] = {"lockdep is off"};
    run["failed"] = 1;
    EXPECT_EQ(report::parse_self_tests(run).faults, std::vector<std::string>{"lockdep is off"});
    EXPECT_TRUE(report::parse_self_tests(run).why_no_leaks.empty());
}

TEST(SelfTests, LeaksThatWereNotJudgedHaveAReason) {
    json run = make_good_run();

    run["leaks"] = {{"switched_off", true}};
    EXPECT_EQ(report::parse_self_tests(run).why_no_leaks, "kmemleak is switched off");
    run["leaks"] = {{"switched_off", false}, {"wanted", false}};
    EXPECT_EQ(report::parse_self_tests(run).why_no_leaks, "--no-leaks was given");
}

/* A program that still ran when the guest ended has no time and no status. */
TEST(SelfTests, RunningProgramHasNoTime) {
    json run = make_run();

    run["complete"] = false;
    run["programs"][0]["seconds"] = nullptr;
    EXPECT_EQ(report::parse_self_tests(run).programs[0].seconds, 0);
}

} // namespace
