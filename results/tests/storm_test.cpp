// SPDX-License-Identifier: GPL-2.0
/* The figure of stale PFNs shows the numbers of move_storm, and marks a stale PFN as bad. */
#include <sstream>

#include <gtest/gtest.h>

#include "storm.hpp"

namespace {

constexpr const char* ktap = R"(TAP version 13
1..4
# 433440 installed, 0 retries, 31 torn, 432380 audited, 0 stale, 432796 written, 0 attached
ok 1 P1.storm[importer=locked]
# 4000 installed, 0 retries, 2 torn, 3998 audited, 123 stale, 3992 written, 0 attached
ok 2 P1.storm[importer=naive]
# 5 installed, 0 retries, 0 torn, 7 audited, 1 stale, 3992 written, 0 attached
# expected <0>, got 1
not ok 3 P1.storm[importer=seq_retry]
ok 4 P1.storm[importer=silent]
)";

std::vector<report::StormResult> parse(const std::string& text) {
    std::istringstream stream(text);

    return report::parse_storm(stream);
}

TEST(Storm, CasesAndTheirNotes) {
    const auto results = parse(ktap);

    ASSERT_EQ(results.size(), 3U) << "a case without a note has no result";
    EXPECT_EQ(results[0].importer, "locked");
    EXPECT_EQ(results[0].audited, 432380U);
    EXPECT_EQ(results[0].stale, 0U);
    EXPECT_EQ(results[2].importer, "seq_retry");
    EXPECT_EQ(results[2].stale, 1U);
}

TEST(Storm, OnlyTheControlMayBeStale) {
    const auto bars = report::storm_bars(parse(ktap));

    ASSERT_TRUE(bars);
    EXPECT_EQ(bars->bars[0].tone, report::Tone::good);
    EXPECT_EQ(bars->bars[1].tone, report::Tone::warning);
    EXPECT_EQ(bars->bars[1].text, "123 of 3,998");
    EXPECT_EQ(bars->bars[2].tone, report::Tone::bad);
    EXPECT_EQ(report::storm_bars({{"naive", 10, 0}})->bars[0].tone, report::Tone::bad)
        << "an audit that finds nothing proves nothing";
}

TEST(Storm, NothingIsNothing) {
    EXPECT_FALSE(report::storm_bars(parse("TAP version 13\n1..0\n")));
}

} // namespace
