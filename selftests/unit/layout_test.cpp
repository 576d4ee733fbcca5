// SPDX-License-Identifier: GPL-2.0
/*
 * The module's layout.c, built natively, against the oracle: all small layouts,
 * and many random ones. What it cannot see: how the exporter fills a layout.
 */
#include <cerrno>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "oracle.hpp"

extern "C" {
#include "layout.h"
}

namespace {

using testexp::Oracle;
using testexp::Page;

constexpr std::uint32_t ram = TESTEXP_EXTENT_RAM;

struct Piece {
    std::uint32_t type;
    std::uint64_t pfn;
    std::uint64_t nr_pages;
};

/* A layout with its array, and the oracle for the same pieces. */
class Subject {
public:
    explicit Subject(const std::vector<Piece>& pieces)
        : extents_(pieces.size()), layout_{.extents = extents_.data(),
                                           .capacity = static_cast<u32>(pieces.size()),
                                           .nr_extents = 0,
                                           .nr_pages = 0},
          oracle_(pages_of(pieces)) {
        for (const Piece& piece : pieces)
            EXPECT_EQ(layout_append(&layout_, {piece.type, 0, 0}, piece.pfn, piece.nr_pages), 0);
    }

    void expect_agreement() const {
        const std::uint64_t nr_pages = oracle_.nr_pages();

        ASSERT_EQ(layout_.nr_pages, nr_pages);
        for (std::uint64_t pgoff = 0; pgoff < nr_pages; pgoff++)
            expect_same_answer(pgoff);
    }

    const layout& get() const { return layout_; }

private:
    static std::vector<Page> pages_of(const std::vector<Piece>& pieces) {
        std::vector<Page> pages;

        for (const Piece& piece : pieces)
            for (std::uint64_t i = 0; i < piece.nr_pages; i++)
                pages.push_back({.pfn = piece.type == ram ? piece.pfn + i : 0, .type = piece.type});
        return pages;
    }

    void expect_same_answer(std::uint64_t pgoff) const {
        const testexp_result expected = oracle_.expected(pgoff);
        u64 pfn = TESTEXP_UNTOUCHED_PFN;
        int max_order = TESTEXP_UNTOUCHED_ORDER;

        ASSERT_EQ(layout_lookup(&layout_, pgoff, &pfn, &max_order), expected.error) << pgoff;
        ASSERT_EQ(pfn, expected.pfn) << pgoff;
        ASSERT_EQ(max_order, expected.max_order) << pgoff;
    }

    std::vector<layout_extent> extents_;
    layout layout_;
    Oracle oracle_;
};

TEST(LayoutC, OneExtentOfAnyLengthAndPlace) {
    for (std::uint64_t nr_pages = 1; nr_pages <= 40; nr_pages++)
        for (std::uint64_t pfn = 0; pfn < 70; pfn++)
            Subject({{ram, pfn, nr_pages}}).expect_agreement();
}

TEST(LayoutC, TwoExtentsOfAnyLengthAndPlace) {
    for (std::uint64_t first = 1; first <= 9; first++)
        for (std::uint64_t second = 1; second <= 9; second++)
            for (std::uint64_t pfn = 0; pfn < 20; pfn++)
                for (std::uint64_t next = 0; next < 20; next++)
                    Subject({{ram, pfn, first}, {ram, next, second}}).expect_agreement();
}

TEST(LayoutC, ThreeRunsOfAnyType) {
    for (int types = 0; types < 27; types++)
        for (std::uint64_t length = 1; length <= 6; length++) {
            const std::uint32_t type[] = {static_cast<std::uint32_t>(types % 3),
                                          static_cast<std::uint32_t>(types / 3 % 3),
                                          static_cast<std::uint32_t>(types / 9)};

            Subject({{type[0], 64, length}, {type[1], 64 + length, 3}, {type[2], 67 + length, 9}})
                .expect_agreement();
        }
}

TEST(LayoutC, RandomLayouts) {
    std::mt19937_64 random(6); // NOLINT: the same layouts every time
    const auto below = [&](std::uint64_t n) { return random() % n; };

    for (int round = 0; round < 3000; round++) {
        std::vector<Piece> pieces;
        std::uint64_t pgoff = 0;

        for (std::uint64_t left = 1 + below(12); left; left--) {
            const std::uint64_t high = below(2) ? 0 : (std::uint64_t{1} << below(40));
            /* Congruent to pgoff modulo a power of two, or adjacent, or anywhere. */
            const std::uint64_t pfn = below(3) == 0 && !pieces.empty()
                                          ? pieces.back().pfn + pieces.back().nr_pages
                                          : high + (pgoff & 1023) + (below(16) << below(10));
            const std::uint32_t type =
                below(5) ? ram : static_cast<std::uint32_t>(below(3));

            pieces.push_back({type, pfn, 1 + below(1U << below(10))});
            pgoff += pieces.back().nr_pages;
        }
        Subject(pieces).expect_agreement();
        if (HasFatalFailure())
            FAIL() << "round " << round;
    }
}

TEST(LayoutC, NeighboursThatContinueAreOne) {
    EXPECT_EQ(Subject({{ram, 8, 4}, {ram, 12, 4}, {ram, 16, 4}}).get().nr_extents, 1U);
    EXPECT_EQ(Subject({{ram, 8, 4}, {ram, 13, 4}}).get().nr_extents, 2U);
}

/* Beyond 2^32 pages and with a PFN far above, where 32 bits would not do. */
TEST(LayoutC, HugeBuffer) {
    std::vector<layout_extent> extents(2);
    layout layout{.extents = extents.data(), .capacity = 2, .nr_extents = 0, .nr_pages = 0};
    const std::uint64_t half = std::uint64_t{1} << 40;
    u64 pfn = 0;
    int max_order = 0;

    ASSERT_EQ(layout_append(&layout, {TESTEXP_EXTENT_HOLE, 0, 0}, 0, half), 0);
    ASSERT_EQ(layout_append(&layout, {ram, 0, 0}, half, half), 0);
    EXPECT_EQ(layout_lookup(&layout, half - 1, &pfn, &max_order), -ENXIO);
    ASSERT_EQ(layout_lookup(&layout, half + 5, &pfn, &max_order), 0);
    EXPECT_EQ(pfn, half + 5);
    EXPECT_EQ(max_order, 40);
}

TEST(LayoutC, AppendRefuses) {
    std::vector<layout_extent> extents(1);
    layout layout{.extents = extents.data(), .capacity = 1, .nr_extents = 0, .nr_pages = 0};

    ASSERT_EQ(layout_append(&layout, {ram, 0, 0}, 5, 1), 0);
    EXPECT_EQ(layout_append(&layout, {ram, 0, 0}, 9, 1), -ENOSPC);
    EXPECT_EQ(layout_append(&layout, {ram, 0, 0}, 6, ~std::uint64_t{0}), -EOVERFLOW);
    EXPECT_EQ(layout.nr_pages, 1U);
}

} // namespace
