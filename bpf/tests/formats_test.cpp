// SPDX-License-Identifier: GPL-2.0
/* export-test checks that a real parser reads the OpenMetrics text. */
#include "formats.hpp"

#include <gtest/gtest.h>

#include <vector>

using latency::csv_text;
using latency::openmetrics_text;
using testexp::NamedHistogram;

namespace {

NamedHistogram sample() {
    NamedHistogram histogram;
    histogram.name = "dma_resv wait";
    histogram.unit = "ns";
    for (const std::uint64_t value : {3, 3, 100})
        testexp_hist_add(&histogram.hist, value);
    histogram.lost = 4;
    histogram.unmatched = 5;
    histogram.labels = {{"clock", "tsc"}, {"process", "a\"b\\c,d"}};
    return histogram;
}

bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

} // namespace

TEST(Formats, CsvHasARowForEachAndQuotes) {
    const std::string text = csv_text(std::vector{sample()});

    EXPECT_TRUE(
        has_line(text, "name,unit,count,sum,min,p50,p90,p99,p99.9,max,lost,unmatched,labels"));
    EXPECT_TRUE(has_line(text, "dma_resv wait,ns,3,106,3,3,100,100,100,100,4,5,"
                               "\"clock=tsc;process=a\"\"b\\c,d\""))
        << text;
}

TEST(Formats, OpenMetricsBucketsAreCumulative) {
    const std::string text = openmetrics_text(std::vector{sample()});
    const std::string labels = R"(name="dma_resv wait",clock="tsc",process="a\"b\\c,d")";

    EXPECT_TRUE(has_line(text, "# TYPE dmabuf_latency_ns histogram")) << text;
    EXPECT_TRUE(has_line(text, "dmabuf_latency_ns_bucket{" + labels + ",le=\"3.0\"} 2")) << text;
    EXPECT_TRUE(has_line(text, "dmabuf_latency_ns_bucket{" + labels + ",le=\"103.0\"} 3")) << text;
    EXPECT_TRUE(has_line(text, "dmabuf_latency_ns_bucket{" + labels + ",le=\"+Inf\"} 3")) << text;
    EXPECT_TRUE(has_line(text, "dmabuf_latency_ns_sum{" + labels + "} 106")) << text;
    EXPECT_TRUE(has_line(text, "dmabuf_latency_lost_ns_total{" + labels + "} 4")) << text;
    EXPECT_TRUE(text.ends_with("\n# EOF\n"));
}

TEST(Formats, OpenMetricsTellsTwoOfTheSameApart) {
    const std::string text = openmetrics_text(std::vector{sample(), sample()});

    EXPECT_NE(text.find("\",nr=\"2\"} 3\n"), std::string::npos) << text;
}

TEST(Formats, NothingIsValidToo) {
    EXPECT_EQ(openmetrics_text({}), "# EOF\n");
}
