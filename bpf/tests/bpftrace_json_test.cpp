// SPDX-License-Identifier: GPL-2.0
#include "bpftrace_json.hpp"

#include <gtest/gtest.h>

#include <sstream>

using latency::Histograms;

namespace {

testexp::Result<latency::Traces> read_all(const std::string& text,
                                          const std::vector<std::string>& functions = {"f", "g"}) {
    std::istringstream stream(text);
    return latency::from_bpftrace(stream, functions, testexp::Environment{});
}

/* Reads a text without problems. */
testexp::Result<Histograms> read(const std::string& text,
                                 const std::vector<std::string>& functions = {"f", "g"}) {
    const auto traces = read_all(text, functions);

    if (!traces)
        return traces.error();
    EXPECT_TRUE(traces.value().problems.empty()) << traces.value().problems[0];
    return traces.value().histograms;
}

/* The output of bpftrace 0.17, with its blank lines. */
const std::string sample =
    R"({"type": "attached_probes", "data": {"probes": 3}}

{"type": "map", "data": {"@count": {"0": 3, "1": 1}}}
{"type": "map", "data": {"@entered": {"0": 5, "1": 1}}}
{"type": "map", "data": {"@max": {"0": 300, "1": 1}}}
{"type": "map", "data": {"@min": {"0": 70, "1": 1}}}
{"type": "hist", "data": {"@ns": {"0": [{"min": 64, "max": 127, "count": 2}, )"
    R"({"min": 128, "max": 255, "count": 0}, )"
    R"({"min": 256, "max": 511, "count": 1}], "1": [{"min": 1, "max": 1, "count": 1}]}}}
{"type": "map", "data": {"@sum": {"0": 450, "1": 1}}}
{"type": "map", "data": {"@unmatched": {"0": 4}}}
)";

} // namespace

TEST(BpftraceJson, BucketsEndWhereBpftraceEndsThem) {
    const auto histograms = read(sample).value();
    ASSERT_EQ(histograms.size(), 2u);
    const testexp_hist& f = histograms[0].hist;

    EXPECT_EQ(f.count, 3u);
    EXPECT_EQ(f.sum, 450u);
    EXPECT_EQ(f.min, 70u);
    EXPECT_EQ(f.max, 300u);
    EXPECT_EQ(f.buckets[testexp_hist_index(127)], 2u);
    EXPECT_EQ(f.buckets[testexp_hist_index(511)], 1u);
    EXPECT_EQ(testexp_hist_upper(testexp_hist_index(127)), 127u);
    EXPECT_EQ(testexp::percentile(f, 50), 127u);
    EXPECT_EQ(histograms[1].hist.buckets[1], 1u);
}

TEST(BpftraceJson, BothHalvesCountAsUnmatched) {
    const auto histograms = read(sample).value();
    EXPECT_EQ(histograms[0].unmatched, 4u + 2u);
    EXPECT_EQ(histograms[1].unmatched, 0u);
}

TEST(BpftraceJson, EveryPowerOfTwoIsABucketsEnd) {
    for (unsigned bit = 0; bit < 64; bit++) {
        const std::uint64_t upper = (std::uint64_t{1} << bit) - 1;
        EXPECT_EQ(testexp_hist_upper(testexp_hist_index(upper)), upper);
    }
}

TEST(BpftraceJson, LostEventsAreCountedForAll) {
    const auto histograms =
        read(sample + R"({"type": "lost_events", "data": {"events": 7}})").value();
    EXPECT_EQ(histograms[0].lost, 7u);
    EXPECT_EQ(histograms[1].lost, 7u);
}

TEST(BpftraceJson, AFunctionThatWasNeverCalledHasARow) {
    const auto histograms = read(sample, {"f", "g", "idle"}).value();
    ASSERT_EQ(histograms.size(), 3u);
    EXPECT_EQ(histograms[1].name, "g");
    EXPECT_EQ(histograms[2].name, "idle");
    EXPECT_EQ(histograms[2].hist.count, 0u);
    EXPECT_EQ(histograms[2].unmatched, 0u);
}

TEST(BpftraceJson, ANumberWithoutANameIsRefused) {
    EXPECT_EQ(read(sample, {"f"}).code(), EINVAL);
}

/* @sample, cut off some bytes after the beginning of the line of @map. */
static std::string cut_in(const std::string& map) {
    return sample.substr(0, sample.find(map) + map.size() + 5);
}

TEST(BpftraceJson, WhatIsWholeIsKeptOfACut) {
    const auto traces = read_all(cut_in("@unmatched")).value();

    ASSERT_EQ(traces.histograms.size(), 2u);
    EXPECT_EQ(traces.histograms[0].hist.sum, 450u);
    EXPECT_EQ(traces.histograms[0].labels.at("cut"), "bpftrace was stopped");
    ASSERT_EQ(traces.problems.size(), 1u);
    EXPECT_NE(traces.problems[0].find("cut off"), std::string::npos);
}

TEST(BpftraceJson, WhatACutTookIsLeftOut) {
    for (const char* map : {"@count", "@max", "@min", "@ns", "@sum"}) {
        const auto traces = read_all(cut_in(map)).value();

        EXPECT_TRUE(traces.histograms.empty()) << map;
        EXPECT_EQ(traces.problems.size(), 3u) << map << ": the cut, and both functions";
    }
}

TEST(BpftraceJson, BucketsMustAddUpToTheCount) {
    std::string text = sample;

    text.replace(text.find(R"("0": 3)"), 6, R"("0": 4)");

    const auto traces = read_all(text).value();

    ASSERT_EQ(traces.histograms.size(), 1u);
    EXPECT_EQ(traces.histograms[0].name, "g");
    ASSERT_EQ(traces.problems.size(), 1u);
    EXPECT_EQ(traces.problems[0], "f is left out: its buckets hold 3 values, not its count of 4");
}

TEST(BpftraceJson, MinMaxAndSumMustFitTheBuckets) {
    for (const auto& [good, bad] :
         {std::pair(R"("0": 300)", R"("0": 255)"), std::pair(R"("0": 300)", R"("0": 512)"),
          std::pair(R"("0": 70)", R"("0": 128)"), std::pair(R"("0": 70)", R"("0": 63)"),
          std::pair(R"("0": 450)", R"("0": 383)"), std::pair(R"("0": 450)", R"("0": 766)")}) {
        std::string text = sample;

        text.replace(text.find(good), std::string(good).size(), bad);

        const auto traces = read_all(text).value();

        ASSERT_EQ(traces.histograms.size(), 1u) << bad;
        EXPECT_EQ(traces.problems.at(0),
                  "f is left out: its @min, @max or @sum does not fit its buckets");
    }
}

TEST(BpftraceJson, SameSchemaAsTheTool) {
    const auto histograms = read(sample).value();
    const auto json = nlohmann::json::parse(latency::json_text(histograms));
    EXPECT_NO_THROW((void)json.get<Histograms>());
    EXPECT_EQ(json[0].at("labels").at("tool"), "bpftrace");
}

TEST(BpftraceJson, OtherTextIsRefusedByLine) {
    const auto broken = read("\nERROR: no probes\n");
    ASSERT_EQ(broken.code(), EINVAL);
    EXPECT_NE(broken.error().what.find("line 2"), std::string::npos);
    EXPECT_EQ(read(R"({"type": "map", "data": {"@count": {"0": -1}}})").code(), EINVAL);
}
