// SPDX-License-Identifier: GPL-2.0
#include "latency_output.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "scratch.hpp"

using latency::Histograms;

namespace {

testexp::Environment environment() {
    testexp::Environment environment;
    environment.clock = "icount";
    environment.kernel = "6.12.0";
    environment.flavour = "base";
    environment.api = "native";
    return environment;
}

testexp::NamedHistogram sample() {
    auto histogram = latency::named("dma_buf_get_pfn", latency::tool_name, "fentry", environment());
    for (std::uint64_t value = 100; value < 200; value++)
        testexp_hist_add(&histogram.hist, value);
    histogram.lost = 3;
    histogram.unmatched = 4;
    return histogram;
}

} // namespace

TEST(Report, JsonReadsBackAsItWas) {
    const Scratch scratch;
    const auto path = scratch.path / "latency.json";
    std::ofstream(path) << latency::json_text(Histograms{sample(), sample()});

    const auto read = latency::read_histograms(path);
    ASSERT_TRUE(read) << read.error().what;
    ASSERT_EQ(read.value().size(), 2u);
    const auto& histogram = read.value()[1];
    EXPECT_EQ(histogram.name, "dma_buf_get_pfn");
    EXPECT_EQ(histogram.unit, "ns");
    EXPECT_EQ(histogram.hist.count, 100u);
    EXPECT_EQ(histogram.hist.min, 100u);
    EXPECT_EQ(histogram.hist.max, 199u);
    EXPECT_EQ(testexp::percentile(histogram.hist, 50), testexp::percentile(sample().hist, 50));
    EXPECT_EQ(histogram.lost, 3u);
    EXPECT_EQ(histogram.unmatched, 4u);
    EXPECT_EQ(histogram.labels, sample().labels);
}

TEST(Report, AFileThatIsNotThereHasNoHistograms) {
    const Scratch scratch;
    const auto read = latency::read_histograms(scratch.path / "none.json");
    ASSERT_TRUE(read);
    EXPECT_TRUE(read.value().empty());
}

TEST(Report, AFileOfAnotherKindIsRefused) {
    const Scratch scratch;
    for (const char* text : {"", "{", "{}", "[{}]", "[1]"}) {
        const auto path = scratch.path / "wrong.json";
        std::ofstream(path) << text;
        EXPECT_EQ(latency::read_histograms(path).code(), EINVAL) << text;
    }
}

TEST(Report, TableShowsLossesAndTheClock) {
    auto unsure = sample();
    unsure.labels["lost_is"] = "at_least";
    const std::string text = latency::table(Histograms{sample(), unsure});

    EXPECT_EQ(text.find("values in ns unless a row names another unit; clock icount: 1 ns is one "),
              0U)
        << text;
    EXPECT_NE(text.find("        3         4\n"), std::string::npos) << text;
    EXPECT_NE(text.find("      >=3         4\n"), std::string::npos) << text;
}

TEST(Report, RowsOfSeveralClocksHaveTheirClock) {
    auto other = sample();
    auto old = sample();
    other.labels["clock"] = "invalid";
    old.labels.erase("clock");
    const std::string text = latency::table(Histograms{sample(), other, old});

    EXPECT_EQ(latency::table(Histograms{sample()}).find("fentry icount"), std::string::npos);
    for (const char* wanted : {"clock icount: 1 ns is one guest instruction\n",
                               "clock invalid: the times mean nothing\n", "clock unknown\n",
                               "fentry icount ", "fentry invalid ", "fentry unknown "})
        EXPECT_NE(text.find(wanted), std::string::npos) << wanted << "\n" << text;
}

TEST(Report, AnEmptyHistogramHasZeroes) {
    const auto idle = latency::named("f", latency::tool_name, "kprobe", environment());
    const std::string text = latency::table(Histograms{idle});

    EXPECT_EQ(text.find("18446744073709551615"), std::string::npos) << text;
}
