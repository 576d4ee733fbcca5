// SPDX-License-Identifier: GPL-2.0
/* Whatever a test program leaves behind, no failure gets lost. */
#include <sstream>

#include <gtest/gtest.h>

#include "ktap.hpp"

namespace {

using report::Outcome;
using report::TestProgram;

TestProgram parse(const std::string& text) {
    std::istringstream input(text);

    return report::parse_ktap("program", input);
}

TEST(Ktap, ReadsResultsReasonsAndDiagnostics) {
    const TestProgram program = parse("TAP version 13\n1..3\n"
                                      "# noise\nok 1 - P1.a[order=9]\n"
                                      "# P2.b: expected 0\n# got 1\nnot ok 2 P2.b\n"
                                      "ok 3 P3.c # SKIP requires get_pfn\n"
                                      "# Totals: pass:1 fail:1 skip:1\n");

    ASSERT_EQ(program.results.size(), 3U);
    EXPECT_EQ(program.results[0].name, "P1.a[order=9]");
    EXPECT_EQ(program.results[0].reason, "");
    EXPECT_EQ(program.results[1].outcome, Outcome::fail);
    EXPECT_EQ(program.results[1].reason, "P2.b: expected 0; got 1");
    EXPECT_EQ(program.results[2].outcome, Outcome::skip);
    EXPECT_EQ(program.results[2].reason, "requires get_pfn");
}

TEST(Ktap, AWholeProgramCanBeSkipped) {
    const TestProgram program = parse("TAP version 13\n1..0 # SKIP module is not loaded\n");

    EXPECT_EQ(program.count(Outcome::skip), 1);
    EXPECT_EQ(program.count(Outcome::fail), 0);
    EXPECT_EQ(program.results.at(0).reason, "module is not loaded");
}

TEST(Ktap, WhatIsCutOffFails) {
    EXPECT_EQ(parse("1..3\nok 1 a\n").count(Outcome::fail), 1);
    EXPECT_EQ(parse("").count(Outcome::fail), 1);
    EXPECT_EQ(parse("Segmentation fault\n").count(Outcome::fail), 1);
    EXPECT_GE(parse("1..2\nok 1 a\nBail out! no memory\n").count(Outcome::fail), 1);
    EXPECT_EQ(parse("ok 1 a\n1..1\n").count(Outcome::fail), 0) << "the plan may come last";
}

TEST(Ktap, NestedLinesDoNotCount) {
    EXPECT_EQ(parse("1..1\n    not ok 1 inner\nok 1 outer\n").count(Outcome::fail), 0);
}

} // namespace
