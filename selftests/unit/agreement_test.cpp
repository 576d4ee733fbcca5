// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the comparison finds every wrong answer and reports it with a small layout. Shown with
 * lookups that are wrong on purpose.
 */
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agreement.hpp"
#include "far_oracle.hpp"
#include "random_layouts.hpp"

namespace {

using testexp::Checked;
using testexp::FarOracle;
using testexp::Layout;
using testexp::Lookup;
using testexp::Mismatch;
using testexp::Oracle;
using testexp::RandomLayouts;

using Pgoffs = std::vector<std::uint64_t>;

/*
 * The right answers after @spoil has changed them. @spoil gets the oracle, the page and its answer.
 */
template <typename Spoil> Lookup wrong_lookup(const Spoil& spoil) {
    return [=](const Layout& layout, const Pgoffs& pgoffs) {
        const FarOracle oracle(layout);
        std::vector<testexp_result> answers;

        for (const std::uint64_t pgoff : pgoffs) {
            answers.push_back(oracle.expected(pgoff));
            spoil(oracle, pgoff, answers.back());
        }
        return answers;
    };
}

/* The answers of a lookup that takes all kinds for the same. */
std::vector<testexp_result> ignore_kinds(const Layout& layout, const Pgoffs& pgoffs) {
    Layout alike = layout;
    std::vector<testexp_result> answers;

    for (testexp_extent& extent : alike.extents)
        extent.cache = extent.attributes = 0;
    for (const std::uint64_t pgoff : pgoffs)
        answers.push_back(FarOracle(alike).expected(pgoff));
    return answers;
}

/* Shrinks the first random layout for which @lookup fails. */
Mismatch found(const Lookup& lookup, std::uint64_t max_length_order = 10) {
    RandomLayouts layouts(1, {.max_extents = 12, .max_length_order = max_length_order});

    for (int round = 0; round < 10000; round++)
        if (const std::optional<Mismatch> wrong = first_mismatch(layouts.next(), lookup))
            return shrunk(*wrong, lookup);
    throw std::runtime_error("nothing was found");
}

TEST(Agreement, NothingIsWrongWithTheRightAnswers) {
    const Lookup right = wrong_lookup([](auto&&...) {});
    RandomLayouts layouts(2);
    Checked checked;

    for (int round = 0; round < 100; round++)
        EXPECT_FALSE(first_mismatch(layouts.next(), right, &checked).has_value());
    EXPECT_EQ(checked.layouts, 100U);
    EXPECT_GT(checked.pgoffs, 1000U);
}

/* 4 pages and two behind the end; blocks of 1, 2 and 4 pages fit. */
TEST(Agreement, Counts) {
    const Lookup right = wrong_lookup([](auto&&...) {});
    Checked checked;

    (void)first_mismatch(Layout{}.synthetic(0, 4), right, &checked);
    EXPECT_EQ(checked.text(), "checked: 1 layouts, 6 pgoffs, 18 (pgoff, order) pairs");
}

/* A single wrong answer, in any of its three fields. */
TEST(Agreement, OneWrongAnswerIsFound) {
    const Layout layout = Layout{}.synthetic(3, 70).hole(2).synthetic(99, 30);

    for (std::uint64_t at = 0; at < layout.nr_pages() + 2; at++)
        for (int part = 0; part < 3; part++) {
            const auto wrong = first_mismatch(
                layout, wrong_lookup([=](auto&, std::uint64_t pgoff, testexp_result& answer) {
                    if (pgoff == at && part == 0)
                        answer.pfn++;
                    if (pgoff == at && part == 1)
                        answer.max_order--;
                    if (pgoff == at && part == 2)
                        answer.error--;
                }));

            ASSERT_TRUE(wrong.has_value());
            EXPECT_EQ(wrong->pgoff, at);
        }
}

/* Between two pages that are asked for, only the PFN may change. */
TEST(Agreement, NothingChangesBetweenThePagesRoundBorders) {
    RandomLayouts layouts(3);

    for (int round = 0; round < 300; round++) {
        const Layout layout = layouts.next();
        const Oracle oracle(pages_of(layout));
        const Pgoffs asked = pgoffs_round_borders(layout);
        testexp_result last{};

        ASSERT_EQ(asked.front(), 0U);
        for (std::uint64_t pgoff = 0; pgoff < oracle.nr_pages() + 2; pgoff++) {
            const testexp_result here = oracle.expected(pgoff);

            if (std::binary_search(asked.begin(), asked.end(), pgoff))
                last = here;
            ASSERT_EQ(here.max_order, last.max_order) << layout.code() << ' ' << pgoff;
            ASSERT_EQ(here.error, last.error) << layout.code() << ' ' << pgoff;
        }
    }
}

TEST(Agreement, LargeBuffersAreAskedForAtTheirBorders) {
    const Layout layout = Layout{}.hole(std::uint64_t{1} << 40).synthetic(0, 8);

    EXPECT_EQ(pgoffs_to_ask(layout), pgoffs_round_borders(layout));
    EXPECT_LT(pgoffs_to_ask(layout).size(), 400U);
    EXPECT_EQ(pgoffs_to_ask(layout).back(), layout.nr_pages() + 1);
}

/* Which of the two extents keeps its kind is random. */
TEST(Shrink, BorderOfKindsCrossed) {
    const std::string code = found(ignore_kinds).layout.code();
    const std::string kind = "{.cache = TESTEXP_CACHE_WB, .attributes = TESTEXP_EXTENT_P2P}";

    EXPECT_TRUE(code == "Layout{}.synthetic(0, 1).synthetic(1, 1, " + kind + ")" ||
                code == "Layout{}.synthetic(0, 1, " + kind + ").synthetic(1, 1)" ||
                code == "Layout{}.synthetic(0, 1).synthetic(1, 1, {.cache = TESTEXP_CACHE_UC})" ||
                code == "Layout{}.synthetic(0, 1, {.cache = TESTEXP_CACHE_UC}).synthetic(1, 1)")
        << code;
}

TEST(Shrink, OneOrderIsWrong) {
    const Mismatch wrong = found(wrong_lookup([](auto&, std::uint64_t, testexp_result& answer) {
        if (answer.error == 0 && answer.max_order == 3)
            answer.max_order = 4;
    }));

    EXPECT_EQ(wrong.text(), "Layout{}.synthetic(0, 8) at pgoff 0: is {pfn 0x0, max_order 4, error "
                            "0}, must be {pfn 0x0, max_order 3, error 0}");
}

TEST(Shrink, PhysicalAlignmentIgnored) {
    const Mismatch wrong = found([](const Layout& layout, const Pgoffs& pgoffs) {
        Layout aligned = layout;
        std::uint64_t pgoff = 0;

        for (testexp_extent& extent : aligned.extents) {
            extent.at = pgoff;
            pgoff += extent.nr_pages + 1; /* no extent continues the one before it */
        }
        std::vector<testexp_result> answers = wrong_lookup([](auto&&...) {})(layout, pgoffs);
        const FarOracle oracle(aligned);

        for (std::size_t i = 0; i < pgoffs.size(); i++)
            answers[i].max_order = std::max(answers[i].max_order, 0) == 0
                                       ? oracle.expected(pgoffs[i]).max_order
                                       : answers[i].max_order;
        return answers;
    });

    EXPECT_EQ(wrong.layout.code(), "Layout{}.synthetic(1, 2)");
}

TEST(Shrink, LastExtentOfThree) {
    const Mismatch wrong = found(
        wrong_lookup([](const FarOracle& oracle, std::uint64_t pgoff, testexp_result& answer) {
            if (pgoff + 1 == oracle.nr_pages() && pgoff >= 2 && answer.error == -ENXIO)
                answer.error = -EINVAL;
        }));

    EXPECT_EQ(wrong.layout.nr_pages(), 3U);
    EXPECT_EQ(wrong.layout.code(), "Layout{}.hole(3)");
}

/* The offset cannot be made smaller. */
TEST(Shrink, FarOffsets) {
    const Mismatch wrong = found(
        [](const Layout& layout, const Pgoffs& pgoffs) {
            Pgoffs cut = pgoffs;

            for (std::size_t i = 0; i < cut.size(); i++)
                if (pgoffs[i] < layout.nr_pages())
                    cut[i] = static_cast<std::uint32_t>(pgoffs[i]);
            return wrong_lookup([](auto&&...) {})(layout, cut);
        },
        40);

    EXPECT_EQ(wrong.layout.nr_pages(), (std::uint64_t{1} << 32) + 1) << wrong.text();
    EXPECT_LE(wrong.layout.extents.size(), 2U) << wrong.text();
}

} // namespace
