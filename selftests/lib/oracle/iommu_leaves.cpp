// SPDX-License-Identifier: GPL-2.0
#include "iommu_leaves.hpp"

#include <algorithm>

namespace testexp {

namespace {

/* The sizes of entries on x86, the largest first. */
constexpr int orders[] = {18, 9, 0};

bool is_block(std::uint64_t iova_pages, std::span<const Page> pages, int order) {
    const std::uint64_t count = std::uint64_t{1} << order;

    if (pages.size() < count || iova_pages % count != 0 || pages[0].pfn % count != 0)
        return false;
    for (std::uint64_t i = 1; i < count; i++)
        if (pages[i].pfn != pages[0].pfn + i || !is_like_to_iommu(pages[i], pages[0]))
            return false;
    return true;
}

std::string text_of(const std::vector<IommuLeaf>& leaves, std::size_t at) {
    return at < leaves.size() ? describe(leaves[at]) : "nothing";
}

} // namespace

bool is_like_to_iommu(const Page& a, const Page& b) {
    return a.is_mmio() == b.is_mmio() &&
           (a.cache == TESTEXP_CACHE_WB) == (b.cache == TESTEXP_CACHE_WB);
}

std::vector<IommuLeaf> expected_leaves(std::uint64_t iova, std::span<const Page> pages,
                                       Access access) {
    std::vector<IommuLeaf> leaves;

    while (!pages.empty()) {
        const int order = *std::ranges::find_if(
            orders, [&](int wanted) { return is_block(iova / page_bytes(), pages, wanted); });

        leaves.push_back({.iova = iova,
                          .pfn = pages[0].pfn,
                          .order = order,
                          .readable = access != Access::write,
                          .writeable = access != Access::read});
        iova = leaves.back().end();
        pages = pages.subspan(std::uint64_t{1} << order);
    }
    return leaves;
}

std::string difference(const std::vector<IommuLeaf>& is, const std::vector<IommuLeaf>& must_be) {
    const auto [first, second] =
        std::mismatch(is.begin(), is.end(), must_be.begin(), must_be.end());

    if (first == is.end() && second == must_be.end())
        return "";

    const auto at = static_cast<std::size_t>(first - is.begin());

    return "entry " + std::to_string(at) + " of " + std::to_string(is.size()) + ": is " +
           text_of(is, at) + ", must be " + text_of(must_be, at) + ", of " +
           std::to_string(must_be.size());
}

} // namespace testexp
