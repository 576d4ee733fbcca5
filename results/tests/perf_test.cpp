// SPDX-License-Identifier: GPL-2.0
/* Samples become shares of functions and boxes of a graph. The report says when a machine has no
 * counters. */
#include <gtest/gtest.h>

#include "flame.hpp"
#include "perf.hpp"

namespace {

nlohmann::json perf_json(const nlohmann::json& cycles) {
    auto json = nlohmann::json::parse(R"({
        "failures": ["sgt_map: requires more"],
        "paths": [{"path": "get_pfn", "case": "resolve/path:get_pfn", "ops": 1000,
                   "event": "cpu-clock:k", "counters": {"page-faults":
                   {"count": 500, "running": 62.5}}, "samples": 4,
                   "stacks": [["a;b", 3], ["a;b;a", 1]]}]
    })");

    json["paths"][0]["counters"]["cycles:k"] = nullptr;
    if (!cycles.is_null())
        json["paths"][0]["counters"]["cycles:k"] = {{"count", cycles}, {"running", 100}};
    return json;
}

const report::Table& table(const std::vector<report::Block>& blocks, std::size_t wanted) {
    for (const report::Block& block : blocks) {
        if (const auto* found = std::get_if<report::Table>(&block); found && wanted-- == 0)
            return *found;
    }
    throw std::out_of_range("no such table");
}

TEST(Perf, CountersArePerOperation) {
    const auto blocks = report::perf_blocks(report::parse_perf(perf_json(130000)));

    EXPECT_EQ(table(blocks, 0).rows[0].cells,
              (std::vector<std::string>{"get_pfn", "1,000", "130", "0.5 (62 %)"}));
    EXPECT_EQ(std::get<report::Paragraph>(blocks[0]).tone, report::Tone::good);
}

TEST(Perf, NoPmuIsSaid) {
    const auto perf = report::parse_perf(perf_json(nullptr));
    const auto blocks = report::perf_blocks(perf);

    EXPECT_NE(std::get<report::Paragraph>(blocks[0]).text.find("no hardware counters"),
              std::string::npos);
    EXPECT_EQ(
        report::unmeasured(perf),
        (std::vector<std::string>{"perf, sgt_map: requires more",
                                  "perf, cycles:k: this machine does not offer these counters"}));
}

TEST(Perf, SelfAndTotalOfAFunction) {
    const auto rows = table(report::perf_blocks(report::parse_perf(perf_json(1))), 1).rows;

    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0].cells, (std::vector<std::string>{"b", "75.0 %", "100.0 %"}));
    EXPECT_EQ(rows[1].cells, (std::vector<std::string>{"a", "25.0 %", "100.0 %"}))
        << "in a stack twice, counted once";
}

TEST(Perf, OtherJsonIsRefused) {
    nlohmann::json json = perf_json(1);

    json["paths"][0]["ops"] = 0;
    EXPECT_THROW(report::parse_perf(json), std::invalid_argument);
    json = perf_json(1);
    json["paths"][0]["counters"]["cycles:k"]["running"] = 0;
    EXPECT_THROW(report::parse_perf(json), std::invalid_argument);
    EXPECT_THROW(report::parse_perf({{"paths", {}}}), nlohmann::json::exception);
}

TEST(Flame, BoxesAreAsWideAsTheirShare) {
    const std::string svg = report::draw_flame_graph({"t", {{"main;left", 3}, {"main;right", 1}}});

    EXPECT_NE(svg.find("<title>main: 100.0 %, 4 samples</title><rect x=\"0.0\" y=\"17\" "
                       "width=\"1100.0\""),
              std::string::npos)
        << svg;
    EXPECT_NE(svg.find("<title>left: 75.0 %, 3 samples</title><rect x=\"0.0\" y=\"0\" "
                       "width=\"825.0\""),
              std::string::npos)
        << svg;
    EXPECT_NE(svg.find("<title>right: 25.0 %, 1 samples</title><rect x=\"825.0\""),
              std::string::npos)
        << svg;
}

TEST(Flame, NamesAreEscapedAndCut) {
    const std::string svg =
        report::draw_flame_graph({"t", {{"<b>", 1}, {std::string(300, 'x'), 1}}});

    EXPECT_EQ(svg.find("<b>"), std::string::npos);
    EXPECT_NE(svg.find(">&lt;b&gt;</text>"), std::string::npos);
    EXPECT_NE(svg.find("x…</text>"), std::string::npos);
}

TEST(Flame, NothingSampledDrawsNothing) {
    EXPECT_EQ(report::draw_flame_graph({"t", {}}), "");
}

} // namespace
