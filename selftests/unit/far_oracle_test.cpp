// SPDX-License-Identifier: GPL-2.0
/* The oracle by extents agrees with the oracle by pages, on layouts small enough for both. */
#include <gtest/gtest.h>

#include "every_layout.hpp"
#include "far_oracle.hpp"
#include "random_layouts.hpp"

namespace {

using testexp::FarOracle;
using testexp::Layout;
using testexp::Oracle;

void expect_same_answers(const Layout& layout, const Oracle& oracle) {
    const FarOracle far(layout);

    ASSERT_EQ(far.nr_pages(), oracle.nr_pages());
    for (std::uint64_t pgoff = 0; pgoff < oracle.nr_pages() + 2; pgoff++)
        ASSERT_PRED2(testexp::same, far.expected(pgoff), oracle.expected(pgoff))
            << layout.code() << " at pgoff " << pgoff;
}

TEST(FarOracle, AgreesOnEveryLayout) {
    testexp::for_each_layout({11, 4}, [](const Layout& layout, const Oracle& oracle) {
        if (!testing::Test::HasFatalFailure())
            expect_same_answers(layout, oracle);
    });
}

TEST(FarOracle, AgreesOnRandomLayouts) {
    testexp::RandomLayouts layouts(1);

    for (int round = 0; round < 1000 && !HasFatalFailure(); round++) {
        const Layout layout = layouts.next();

        expect_same_answers(layout, Oracle(testexp::pages_of(layout)));
    }
}

TEST(FarOracle, FarAway) {
    constexpr std::uint64_t half = std::uint64_t{1} << 50;
    const FarOracle oracle(Layout{}.hole(half).synthetic(half, half));

    EXPECT_EQ(oracle.expected(half - 1).error, -ENXIO);
    EXPECT_EQ(oracle.expected(half).max_order, 50);
    EXPECT_EQ(oracle.expected(2 * half - 1).pfn, 2 * half - 1);
    EXPECT_EQ(oracle.expected(2 * half).error, -EINVAL);
}

} // namespace
