// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the enumeration is complete and without repetition. Its layouts give all answers that
 * layouts of this size can give; a search over all layouts finds the same answers.
 */
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "every_layout.hpp"

namespace {

using testexp::Bounds;
using testexp::Kind;
using testexp::Layout;
using testexp::Oracle;

using Answers = std::vector<std::pair<int, int>>; /* error and max_order of each page */

Answers answers_of(const Oracle& oracle) {
    Answers answers;

    for (std::uint64_t pgoff = 0; pgoff < oracle.nr_pages(); pgoff++) {
        const testexp_result expected = oracle.expected(pgoff);

        answers.emplace_back(expected.error, expected.max_order);
    }
    return answers;
}

std::uint64_t count(const Bounds& bounds) {
    return testexp::for_each_layout(bounds, [](const Layout&, const Oracle&) {});
}

/* Tries all extents of any length, with @nr_deltas values of pfn - pgoff and three kinds. */
class TriesAll {
public:
    TriesAll(const Bounds& bounds, std::uint64_t nr_deltas)
        : bounds_(bounds), nr_deltas_(nr_deltas) {}

    std::set<Answers> run() {
        extend({});
        return seen_;
    }

private:
    void extend(const Layout& layout) {
        const std::uint64_t pgoff = layout.nr_pages();

        if (pgoff != 0)
            seen_.insert(answers_of(Oracle(testexp::pages_of(layout))));
        if (layout.extents.size() == bounds_.max_extents)
            return;
        for (std::uint64_t length = 1; pgoff + length <= bounds_.max_pages; length++) {
            extend(Layout(layout).hole(length));
            extend(Layout(layout).priv(length));
            for (std::uint64_t delta = 0; delta < nr_deltas_; delta++)
                for (const Kind& kind : kinds)
                    extend(Layout(layout).synthetic(pgoff + delta, length, kind));
        }
    }

    static constexpr Kind kinds[] = {
        {.cache = TESTEXP_CACHE_WB},
        {.cache = TESTEXP_CACHE_UC},
        {.cache = TESTEXP_CACHE_WB, .attributes = TESTEXP_EXTENT_P2P},
    };

    Bounds bounds_;
    std::uint64_t nr_deltas_;
    std::set<Answers> seen_;
};

/*
 * Among 12 values, three different pfn - pgoff can be multiples of 4, and no block of 6 pages needs
 * more.
 */
TEST(EveryLayout, GivesAllAnswersThatThereAre) {
    for (const Bounds& bounds : {Bounds{8, 1}, Bounds{8, 2}, Bounds{6, 3}}) {
        std::set<Answers> seen;

        testexp::for_each_layout(
            bounds, [&](const Layout&, const Oracle& oracle) { seen.insert(answers_of(oracle)); });
        EXPECT_EQ(seen, TriesAll(bounds, bounds.max_extents == 3 ? 12 : 16).run());
    }
}

TEST(EveryLayout, HasNothingTwice) {
    std::set<std::string> seen;

    testexp::for_each_layout({8, 3}, [&](const Layout& layout, const Oracle&) {
        EXPECT_TRUE(seen.insert(layout.code()).second) << layout.code();
    });
}

TEST(EveryLayout, OracleIsThatOfTheLayout) {
    testexp::for_each_layout({9, 3}, [&](const Layout& layout, const Oracle& oracle) {
        ASSERT_EQ(answers_of(oracle), answers_of(Oracle(testexp::pages_of(layout))))
            << layout.code();
    });
}

/*
 * One page is a hole, private, or has a PFN. Two pages: each of these 3 for both, and a PFN of
 * better or worse alignment.
 */
TEST(EveryLayout, CountsWhatItVisits) {
    std::uint64_t visited = 0;

    EXPECT_EQ(count({1, 4}), 3U);
    EXPECT_EQ(count({2, 1}), 3U + 4U);
    EXPECT_EQ(count({6, 4}),
              testexp::for_each_layout({6, 4}, [&](const Layout&, const Oracle&) { visited++; }));
    EXPECT_EQ(count({6, 4}), visited);
}

/* Known counts. A difference means that the enumeration has changed. */
TEST(EveryLayout, Counts) {
    EXPECT_EQ(count({8, 4}), 70616U);
    EXPECT_EQ(count({12, 4}), 617691U);
    EXPECT_EQ(count({16, 4}), 2693979U);
}

} // namespace
