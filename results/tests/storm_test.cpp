// SPDX-License-Identifier: GPL-2.0
/* The figure of stale PFNs has the numbers that move_storm noted, and calls only a pass good. */
#include <gtest/gtest.h>

#include "storm.hpp"

namespace {

using report::Outcome;
using report::TestCase;
using report::Tone;

std::optional<report::Bars> bars_of(std::vector<TestCase> cases) {
    report::SelfTests tests;

    tests.programs.push_back(
        {"move", 1, {{"P1.storm[importer=locked]", Outcome::pass, "", {}}}, {}});
    tests.programs.push_back({"move_storm", 1, std::move(cases), {}});
    return report::storm_bars(tests);
}

TestCase storm(const std::string& importer, Outcome outcome, const std::string& note) {
    return {"P1.storm[importer=" + importer + "]", outcome, "", {"seed 7", note, "5 stale"}};
}

std::string audit(const std::string& audited, const std::string& stale) {
    return "400 installed, 31 torn, " + audited + " audited, " + stale + " stale, 380 written";
}

Tone tone_of(const std::string& importer, Outcome outcome, const std::string& audited,
             const std::string& stale) {
    return bars_of({storm(importer, outcome, audit(audited, stale))})->bars.at(0).tone;
}

TEST(Storm, CasesAndTheirNotes) {
    const auto bars = bars_of({storm("locked", Outcome::pass, audit("432380", "0")),
                               {"P3.other", Outcome::pass, "", {audit("1", "1")}},
                               {"P1.storm[importer=silent]", Outcome::pass, "", {}},
                               storm("naive", Outcome::pass, audit("3998", "123")),
                               storm("seq_retry", Outcome::fail, audit("7", "1"))});

    ASSERT_TRUE(bars);
    ASSERT_EQ(bars->bars.size(), 3U) << "a case without a note has no numbers";
    EXPECT_EQ(bars->bars[0].label, "locked");
    EXPECT_EQ(bars->bars[0].text, "0 of 432,380");
    EXPECT_EQ(bars->bars[1].label, "naive (control)");
    EXPECT_EQ(bars->bars[1].text, "123 of 3,998");
    EXPECT_EQ(bars->bars[2].text, "1 of 7; the case failed");
}

TEST(Storm, OnlyTheControlMayBeStale) {
    EXPECT_EQ(tone_of("locked", Outcome::pass, "9", "0"), Tone::good);
    EXPECT_EQ(tone_of("locked", Outcome::pass, "9", "1"), Tone::bad);
    EXPECT_EQ(tone_of("naive", Outcome::pass, "9", "1"), Tone::warning);
    EXPECT_EQ(tone_of("naive", Outcome::pass, "9", "0"), Tone::bad)
        << "an audit that finds nothing proves nothing";
}

TEST(Storm, OnlyAPassOfAnAuditIsGood) {
    EXPECT_EQ(tone_of("locked", Outcome::fail, "9", "0"), Tone::bad);
    EXPECT_EQ(tone_of("locked", Outcome::pass, "0", "0"), Tone::bad);
    EXPECT_EQ(tone_of("naive", Outcome::fail, "9", "1"), Tone::bad);
}

TEST(Storm, NotesWithoutBothNumbersAreNoAudit) {
    for (const std::string note :
         {"", " audited, stale", "x audited, 3 stale", "9 audited", "3 stale", "-"})
        EXPECT_FALSE(bars_of({storm("locked", Outcome::pass, note)})) << note;
    EXPECT_FALSE(bars_of({storm("locked", Outcome::pass, audit("99999999999999999999999", "0"))}))
        << "no number of 64 bits";
}

TEST(Storm, NothingIsNothing) {
    EXPECT_FALSE(bars_of({}));
    EXPECT_FALSE(report::storm_bars({}));
}

} // namespace
