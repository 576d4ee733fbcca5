// SPDX-License-Identifier: GPL-2.0
#include "oracle.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace testexp {

Oracle::Oracle(std::vector<Page> pages) : pages_(std::move(pages)), max_order_(pages_.size(), -1) {
    find_max_orders();
}

/*
 * Order by order upward: an aligned block is good when both of its halves are,
 * when the second continues the first, and when its first PFN is aligned as the
 * block is. So every page of every block is looked at, yet each order costs only
 * one pass over the blocks that were good at the order below.
 */
void Oracle::find_max_orders() {
    std::vector<bool> good(pages_.size());
    bool any = false;

    for (std::size_t pgoff = 0; pgoff < pages_.size(); pgoff++) {
        good[pgoff] = pages_[pgoff].type == TESTEXP_EXTENT_RAM;
        if (good[pgoff])
            max_order_[pgoff] = 0;
        any = any || good[pgoff];
    }

    for (int order = 1; any; order++) {
        const std::size_t block_pages = std::size_t{1} << order;
        std::vector<bool> halves = std::exchange(good, {});

        good.resize(pages_.size() / block_pages);
        any = false;
        for (std::size_t block = 0; block < good.size(); block++) {
            const std::size_t first = block * block_pages;
            const std::size_t middle = first + block_pages / 2;

            if (!halves[2 * block] || !halves[2 * block + 1] ||
                pages_[middle].pfn != pages_[middle - 1].pfn + 1 ||
                pages_[first].pfn % block_pages != 0)
                continue;

            good[block] = true;
            any = true;
            std::fill_n(max_order_.begin() + static_cast<std::ptrdiff_t>(first), block_pages,
                        order);
        }
    }
}

testexp_result Oracle::expected(std::uint64_t pgoff) const {
    testexp_result result{
        .pfn = TESTEXP_UNTOUCHED_PFN, .max_order = TESTEXP_UNTOUCHED_ORDER, .error = 0};

    if (pgoff >= pages_.size())
        result.error = -EINVAL;
    else if (pages_[pgoff].type == TESTEXP_EXTENT_HOLE)
        result.error = -ENXIO;
    else if (pages_[pgoff].type == TESTEXP_EXTENT_PRIVATE)
        result.error = -EOPNOTSUPP;
    if (result.error != 0)
        return result;

    result.pfn = pages_[pgoff].pfn;
    result.max_order = max_order_[pgoff];
    return result;
}

std::vector<Page> pages_of(const Layout& layout) {
    std::vector<Page> pages;

    pages.reserve(layout.nr_pages());
    for (const testexp_extent& extent : layout.extents)
        pages.insert(pages.end(), extent.nr_pages * extent.repeat,
                     Page{.pfn = 0, .type = extent.type});
    return pages;
}

} // namespace testexp
