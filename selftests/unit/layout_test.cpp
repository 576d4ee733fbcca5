// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the module's layout.c, built natively, agrees with the oracle on all small layouts and on
 * many random ones. Does not see: how the exporter fills a layout.
 */
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "agreement.hpp"
#include "append_check.hpp"
#include "every_layout.hpp"
#include "native_layout.hpp"
#include "oracle.hpp"
#include "random_layouts.hpp"

namespace {

using testexp::Checked;
using testexp::Layout;
using testexp::Mismatch;
using testexp::Oracle;
using testexp::Page;

constexpr std::uint32_t ram = TESTEXP_EXTENT_RAM;

/* A piece that the ABI has no extent for: any type at any PFN. */
struct Piece {
    std::uint32_t type;
    std::uint64_t pfn;
    std::uint64_t nr_pages;
};

/* A layout and the oracle for the same pieces. */
class Subject {
public:
    explicit Subject(const std::vector<Piece>& pieces) : oracle_(pages_of(pieces)) {
        Layout layout;

        for (const Piece& piece : pieces)
            layout.synthetic(piece.pfn, piece.nr_pages).extents.back().type = piece.type;
        EXPECT_TRUE(native_.build(layout));
    }

    void expect_agreement() const {
        const std::uint64_t nr_pages = oracle_.nr_pages();

        ASSERT_EQ(native_.get().nr_pages, nr_pages);
        for (std::uint64_t pgoff = 0; pgoff < nr_pages; pgoff++)
            ASSERT_PRED2(testexp::same, native_.resolve(pgoff), oracle_.expected(pgoff)) << pgoff;
    }

    const layout& get() const { return native_.get(); }

private:
    static std::vector<Page> pages_of(const std::vector<Piece>& pieces) {
        std::vector<Page> pages;

        for (const Piece& piece : pieces)
            for (std::uint64_t i = 0; i < piece.nr_pages; i++)
                pages.push_back({.pfn = piece.pfn + i, .type = piece.type});
        return pages;
    }

    NativeLayout native_;
    Oracle oracle_;
};

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);

    return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

/* The failure shows the layout as code that can be pasted into a test. */
void expect_none(const std::optional<Mismatch>& wrong) {
    ASSERT_FALSE(wrong.has_value()) << testexp::shrunk(*wrong, ask_layout_c).text();
}

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
    constexpr std::uint32_t n = TESTEXP_EXTENT_TYPES;

    for (std::uint32_t types = 0; types < n * n * n; types++)
        for (std::uint64_t length = 1; length <= 6; length++) {
            const std::uint32_t type[] = {types % n, types / n % n, types / n / n};

            Subject({{type[0], 64, length}, {type[1], 64 + length, 3}, {type[2], 67 + length, 9}})
                .expect_agreement();
        }
}

/* Every pair of types that have PFNs, side by side. The ABI alone could not place them so. */
TEST(LayoutC, PhysicallyContiguousOfEveryTwoTypes) {
    for (std::uint32_t first = 0; first < TESTEXP_EXTENT_TYPES; first++)
        for (std::uint32_t second = 0; second < TESTEXP_EXTENT_TYPES; second++) {
            const Subject subject({{first, 64, 8}, {second, 72, 8}});

            subject.expect_agreement();
            EXPECT_EQ(subject.get().nr_extents, first == second ? 1U : 2U);
        }
}

std::optional<Mismatch> first_wrong(const NativeLayout& native, const Layout& layout,
                                    const Oracle& oracle) {
    for (std::uint64_t pgoff = 0; pgoff <= oracle.nr_pages(); pgoff++) {
        const testexp_result is = native.resolve(pgoff);
        const testexp_result must_be = oracle.expected(pgoff);

        if (!testexp::same(is, must_be))
            return Mismatch{layout, pgoff, is, must_be};
    }
    return std::nullopt;
}

void expect_all_agree(const testexp::Bounds& bounds) {
    NativeLayout native;
    Checked checked;
    std::optional<Mismatch> wrong;

    checked.layouts = testexp::for_each_layout(bounds, [&](const Layout& layout, const Oracle& o) {
        if (wrong)
            return;
        ASSERT_TRUE(native.build(layout)) << layout.code();
        wrong = first_wrong(native, layout, o);
        checked.add(o.nr_pages(), o.nr_pages());
    });
    expect_none(wrong);
    std::cout << "up to " << bounds.max_pages << " pages in up to " << bounds.max_extents
              << " extents, " << checked.text() << '\n';
}

/*
 * Only the extent of a page and the extents that touch it decide its answer, so three extents cover
 * all cases. A fourth extent adds another place to look for them. TESTEXP_MAX_PAGES sets both
 * bounds. Four extents and 64 pages take at least a quarter of an hour.
 */
TEST(LayoutC, EveryLayoutOfUpTo3Extents) {
    expect_all_agree(
        {.max_pages = number_from_environment("TESTEXP_MAX_PAGES", 64), .max_extents = 3});
}

TEST(LayoutC, EveryLayoutOfUpTo4Extents) {
    expect_all_agree(
        {.max_pages = number_from_environment("TESTEXP_MAX_PAGES", 32), .max_extents = 4});
}

/* Layouts that are small enough for a table of pages, and layouts that are far too large. */
TEST(LayoutC, RandomLayouts) {
    const std::uint64_t seed = number_from_environment("TESTEXP_SEED", 6);
    Checked checked;

    std::cout << "TESTEXP_SEED=" << seed << '\n';
    for (const std::uint64_t max_length_order : {4U, 10U, 40U}) {
        testexp::RandomLayouts layouts(seed,
                                       {.max_extents = 12, .max_length_order = max_length_order});

        for (int round = 0; round < 3000; round++) {
            const Layout layout = layouts.next();

            ASSERT_EQ(wrong_append(layout), "") << layout.code();
            ASSERT_NO_FATAL_FAILURE(
                expect_none(testexp::first_mismatch(layout, ask_layout_c, &checked)));
        }
    }
    std::cout << checked.text() << '\n';
}

TEST(LayoutC, NeighboursThatContinueAreOne) {
    EXPECT_EQ(Subject({{ram, 8, 4}, {ram, 12, 4}, {ram, 16, 4}}).get().nr_extents, 1U);
    EXPECT_EQ(Subject({{ram, 8, 4}, {ram, 13, 4}}).get().nr_extents, 2U);
}

/* More than 2^32 pages and a large PFN, for which 32 bits are not enough. */
TEST(LayoutC, HugeBuffer) {
    std::vector<layout_extent> extents(2);
    layout layout{.extents = extents.data(), .capacity = 2, .nr_extents = 0, .nr_pages = 0};
    const std::uint64_t half = std::uint64_t{1} << 40;
    u64 pfn = 0;
    int max_order = 0;

    ASSERT_EQ(testexp_layout_append(&layout, {TESTEXP_EXTENT_HOLE, 0, 0}, 0, half), 0);
    ASSERT_EQ(testexp_layout_append(&layout, {ram, 0, 0}, half, half), 0);
    EXPECT_EQ(layout_lookup(&layout, half - 1, &pfn, &max_order), -ENXIO);
    ASSERT_EQ(layout_lookup(&layout, half + 5, &pfn, &max_order), 0);
    EXPECT_EQ(pfn, half + 5);
    EXPECT_EQ(max_order, 40);
}

TEST(LayoutC, AppendRefuses) {
    std::vector<layout_extent> extents(1);
    layout layout{.extents = extents.data(), .capacity = 1, .nr_extents = 0, .nr_pages = 0};

    ASSERT_EQ(testexp_layout_append(&layout, {ram, 0, 0}, 5, 1), 0);
    EXPECT_EQ(testexp_layout_append(&layout, {ram, 0, 0}, 9, 1), -ENOSPC);
    EXPECT_EQ(testexp_layout_append(&layout, {ram, 0, 0}, 6, ~std::uint64_t{0}), -EOVERFLOW);
    EXPECT_EQ(layout.nr_pages, 1U);
}

} // namespace
