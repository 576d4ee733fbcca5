// SPDX-License-Identifier: GPL-2.0
/* No text from a measurement can become markup. */
#include <gtest/gtest.h>

#include "html.hpp"

namespace {

testexp::Result<std::string> no_charts(const report::Chart&) {
    return testexp::Error{ENOENT, "no <gnuplot>"};
}

TEST(Html, Escapes) {
    EXPECT_EQ(report::escape_html("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    EXPECT_EQ(report::escape_html(std::string("a\0b\x1b[0m", 7)), "a b [0m");
    EXPECT_EQ(report::escape_html("4× – ü"), "4× – ü");
}

TEST(Html, EveryPlaceForTextIsEscaped) {
    const std::string bad = "<script>";
    const report::Table table{bad, bad, {{bad, false}}, {{{bad}, report::Tone::bad}}};
    report::Table folded = table;

    folded.placement = report::Placement::folded;

    const report::Document document{
        bad,
        bad,
        {bad, report::Tone::good},
        {report::Bars{bad, bad, {{bad, 1, bad}}}},
        {{bad,
          {report::Paragraph{bad, report::Tone::plain}, table, folded, report::Excerpt{{bad}},
           report::Chart{bad, {bad}, {bad}, true, {}}}}}};
    const std::string html = report::to_html(document, no_charts);

    EXPECT_EQ(html.find("<script>"), std::string::npos);
    EXPECT_NE(html.find("no &lt;gnuplot&gt;"), std::string::npos) << "says why there is no chart";
}

} // namespace
