// SPDX-License-Identifier: GPL-2.0
#include "oracle.hpp"

#include <algorithm>
#include <cerrno>
#include <sstream>

namespace testexp {

namespace {

/* Page number @index of the extent. */
Page page_of(const testexp_extent& extent, std::uint64_t index) {
    Page page{
        .pfn = 0, .type = extent.type, .cache = extent.cache, .attributes = extent.attributes};

    if (extent.type == TESTEXP_EXTENT_SYNTHETIC)
        page.pfn = extent.at + index;
    if (extent.type == TESTEXP_EXTENT_ALIAS)
        page.type = TESTEXP_EXTENT_RAM;
    return page;
}

} // namespace

Oracle::Oracle(const std::vector<Page>& pages) {
    pages_.reserve(pages.size());
    max_order_.reserve(pages.size());
    for (const Page& page : pages)
        push(page);
}

/*
 * Whether the block of @order from @first to the last page is good. Its second half is good
 * already, so three conditions are left: the first half is good, the second half continues the
 * first, and the first PFN is aligned to the block's size.
 */
bool Oracle::is_good(std::size_t first, int order) const {
    const std::size_t middle = first + (std::size_t{1} << (order - 1));

    return max_order_[first] >= order - 1 && pages_[middle].is_like(pages_[middle - 1]) &&
           pages_[middle].pfn == pages_[middle - 1].pfn + 1 &&
           pages_[first].pfn % (std::uint64_t{1} << order) == 0;
}

/*
 * A new last page completes only the blocks that end with it. So push() checks every block that
 * ends with this page, in ascending orders: the halves of a block have been checked before.
 */
void Oracle::push(const Page& page) {
    pages_.push_back(page);
    max_order_.push_back(page.has_pfn() ? 0 : -1);
    if (!page.has_pfn())
        return;

    const std::size_t end = pages_.size();

    for (int order = 1; end % (std::size_t{1} << order) == 0; order++) {
        const std::size_t first = end - (std::size_t{1} << order);

        if (!is_good(first, order))
            return;
        std::fill(max_order_.begin() + static_cast<std::ptrdiff_t>(first), max_order_.end(), order);
    }
}

/*
 * Each block that ended with the last page loses it. The first half of such a block stays good, and
 * so does the first half of its second half, and so on.
 */
void Oracle::pop() {
    const std::size_t end = pages_.size();

    for (int order = max_order_.back(); order > 0; order--)
        std::fill_n(max_order_.begin() +
                        static_cast<std::ptrdiff_t>(end - (std::size_t{1} << order)),
                    std::size_t{1} << (order - 1), order - 1);
    pages_.pop_back();
    max_order_.pop_back();
}

testexp_result Oracle::expected(std::uint64_t pgoff) const {
    if (pgoff >= pages_.size())
        return refusal(-EINVAL);

    const Page& page = pages_[pgoff];

    if (!page.has_pfn())
        return refusal(page.type == TESTEXP_EXTENT_HOLE ? -ENXIO : -EOPNOTSUPP);
    return {.pfn = page.pfn, .max_order = max_order_[pgoff], .error = 0};
}

std::vector<Page> pages_of(const Layout& layout) {
    std::vector<Page> pages;

    pages.reserve(layout.nr_pages());
    for (const testexp_extent& extent : layout.extents)
        for (std::uint64_t i = 0; i < extent.nr_pages * extent.repeat; i++)
            pages.push_back(page_of(extent, i));
    return pages;
}

testexp_result refusal(int error) {
    return {.pfn = TESTEXP_UNTOUCHED_PFN, .max_order = TESTEXP_UNTOUCHED_ORDER, .error = error};
}

bool same(const testexp_result& a, const testexp_result& b) {
    return a.pfn == b.pfn && a.max_order == b.max_order && a.error == b.error;
}

std::string describe(const testexp_result& result) {
    std::ostringstream out;

    out << "{pfn 0x" << std::hex << result.pfn << std::dec << ", max_order " << result.max_order
        << ", error " << result.error << '}';
    return out.str();
}

} // namespace testexp
