// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: what a packed layout expects of the whole buffer is what the oracle says of that buffer.
 */
#include <cerrno>
#include <cstdint>

#include <gtest/gtest.h>

#include "every_layout.hpp"
#include "oracle.hpp"
#include "packed_layouts.hpp"

namespace {

using testexp::Bounds;
using testexp::Layout;
using testexp::Oracle;
using testexp::PackedLayouts;

/* The longest layout is included: it leaves the shortest hole behind it. */
TEST(PackedLayouts, ExpectWhatTheOracleDoes) {
    for (const Bounds& bounds : {Bounds{4, 3}, Bounds{7, 2}, Bounds{8, 1}}) {
        PackedLayouts packed(bounds.max_pages);

        testexp::for_each_layout(bounds, [&](const Layout& layout, const Oracle& oracle) {
            packed.add(layout, oracle);
        });

        const Oracle whole(testexp::pages_of(packed.layout()));

        ASSERT_EQ(whole.nr_pages(), packed.expected().size());
        for (std::uint64_t pgoff = 0; pgoff < whole.nr_pages(); pgoff++)
            ASSERT_PRED2(testexp::same, packed.expected()[pgoff], whole.expected(pgoff)) << pgoff;
    }
}

TEST(PackedLayouts, MismatchIsOfTheLayoutAlone) {
    const Layout first = Layout{}.synthetic(64, 3);
    const Layout second = Layout{}.hole(1).synthetic(65, 2);
    PackedLayouts packed(3);

    packed.add(first, Oracle(testexp::pages_of(first)));
    packed.add(second, Oracle(testexp::pages_of(second)));

    const testexp::Mismatch wrong = packed.mismatch(5, {.pfn = 70, .max_order = 0, .error = 0});

    EXPECT_EQ(packed.nr_layouts(), 2U);
    EXPECT_EQ(wrong.layout.code(), second.code());
    EXPECT_EQ(wrong.pgoff, 1U);
    EXPECT_EQ(wrong.is.pfn, 66U);
    EXPECT_EQ(wrong.must_be.pfn, 65U);
    EXPECT_EQ(packed.mismatch(7, testexp::refusal(-EINVAL)).must_be.error, -ENXIO);

    packed.clear();
    EXPECT_EQ(packed.nr_layouts(), 0U);
    EXPECT_TRUE(packed.expected().empty());
    EXPECT_TRUE(packed.layout().extents.empty());
}

} // namespace
