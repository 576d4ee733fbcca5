// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the entries that an IOMMU must have are the fewest that map each page to its PFN.
 * Method: buffers whose entries are written down by hand.
 * It cannot see: what a kernel maps (real_importers).
 */
#include <gtest/gtest.h>

#include "iommu_leaves.hpp"

namespace {

using namespace testexp;

constexpr std::uint64_t page = 4096;

std::vector<Page> run(std::uint64_t pfn, std::uint64_t count, const Page& kind = {}) {
    std::vector<Page> pages(count, kind);

    for (std::uint64_t i = 0; i < count; i++)
        pages[i].pfn = pfn + i;
    return pages;
}

std::vector<Page> joined(std::vector<Page> pages, const std::vector<Page>& more) {
    pages.insert(pages.end(), more.begin(), more.end());
    return pages;
}

std::vector<int> orders_of(std::uint64_t iova_pages, const std::vector<Page>& pages) {
    std::vector<int> orders;

    for (const IommuLeaf& leaf : expected_leaves(iova_pages * page, pages))
        orders.push_back(leaf.order);
    return orders;
}

TEST(IommuLeaves, OfARunAreAsLargeAsTheAlignmentPermits) {
    EXPECT_EQ(orders_of(512, run(1024, 512)), std::vector<int>{9});
    EXPECT_EQ(orders_of(513, run(1024, 512)).size(), 512U);
    EXPECT_EQ(orders_of(512, run(1025, 512)).size(), 512U);
    EXPECT_EQ(orders_of(512, run(1024, 511)).size(), 511U);
    EXPECT_EQ(orders_of(510, run(1022, 515)), (std::vector<int>{0, 0, 9, 0}));
    EXPECT_EQ(orders_of(1 << 18, run(2 << 18, (1 << 18) + 513)), (std::vector<int>{18, 9, 0}));
}

TEST(IommuLeaves, EndAtABorder) {
    EXPECT_EQ(orders_of(0, joined(run(512, 256), run(768, 256))), std::vector<int>{9});
    EXPECT_EQ(orders_of(0, joined(run(512, 256), run(769, 256))).size(), 512U);
}

TEST(IommuLeaves, HaveOneKindOfPages) {
    const Page mmio{.type = TESTEXP_EXTENT_MMIO, .cache = TESTEXP_CACHE_UC};
    const Page combining{.type = TESTEXP_EXTENT_MMIO, .cache = TESTEXP_CACHE_WC};
    const Page uncached{.cache = TESTEXP_CACHE_UC};

    EXPECT_EQ(orders_of(0, joined(run(512, 256), run(768, 256, mmio))).size(), 512U);
    EXPECT_EQ(orders_of(0, joined(run(512, 256), run(768, 256, uncached))).size(), 512U);
    EXPECT_EQ(orders_of(0, joined(run(512, 256, mmio), run(768, 256, uncached))).size(), 512U);
    EXPECT_EQ(orders_of(0, joined(run(512, 256, mmio), run(768, 256, combining))).size(), 1U);
}

TEST(IommuLeaves, HaveAddressesPfnsAndAccess) {
    const std::vector<IommuLeaf> expected = {
        {.iova = 2 * page, .pfn = 7, .order = 0, .readable = true},
        {.iova = 3 * page, .pfn = 5, .order = 0, .readable = true},
    };

    EXPECT_EQ(expected_leaves(2 * page, joined(run(7, 1), run(5, 1)), Access::read), expected);
}

TEST(IommuLeaves, DifferInOneLine) {
    const auto leaves = expected_leaves(0, run(7, 3));
    auto wrong = leaves;

    EXPECT_EQ(difference(leaves, leaves), "");
    wrong[1].pfn = 9;
    EXPECT_EQ(difference(wrong, leaves), "entry 1 of 3: is 0x1000: PFN 0x9, order 0, rw, must be "
                                         "0x1000: PFN 0x8, order 0, rw, of 3");
    wrong = leaves;
    wrong.pop_back();
    EXPECT_EQ(difference(wrong, leaves), "entry 2 of 2: is nothing, must be 0x2000: PFN 0x9, "
                                         "order 0, rw, of 3");
    EXPECT_EQ(difference({}, {}), "");
}

} // namespace
