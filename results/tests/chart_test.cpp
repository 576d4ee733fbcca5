// SPDX-License-Identifier: GPL-2.0
/* gnuplot gets data and labels, and gnuplot runs no part of a label as a command. */
#include <gtest/gtest.h>

#include "chart.hpp"

namespace {

report::Chart make_chart(const std::string& title) {
    return {title, {"x", 2}, {"y", 10}, true, {{"a series", {{1, 10}, {2, 20}}}, {"empty", {}}}};
}

TEST(Chart, LabelsCannotEndTheirQuotes) {
    const std::string script = report::gnuplot_script(make_chart("it's\nexit"));

    EXPECT_NE(script.find("set title 'it''s exit'\n"), std::string::npos) << script;
}

TEST(Chart, SeriesWithoutPointsAreLeftOut) {
    const std::string script = report::gnuplot_script(make_chart("t"));

    EXPECT_NE(script.find("a series"), std::string::npos);
    EXPECT_EQ(script.find("empty"), std::string::npos);
}

TEST(Chart, NothingToDrawIsAnError) {
    report::Chart chart = make_chart("t");

    chart.series.clear();
    EXPECT_EQ(report::draw_svg(chart).code(), ENODATA);
}

TEST(Chart, IsDrawnAsOneElement) {
    const auto svg = report::draw_svg(make_chart("<title> & more"));

    if (svg.code() == ENOENT)
        GTEST_SKIP() << "requires gnuplot: " << svg.error().what;
    ASSERT_TRUE(svg) << svg.error().what;
    EXPECT_TRUE(svg.value().starts_with("<svg"));
    EXPECT_TRUE(svg.value().ends_with("</svg>"));
    EXPECT_EQ(svg.value().find("<title> & more"), std::string::npos) << "not escaped";
}

} // namespace
