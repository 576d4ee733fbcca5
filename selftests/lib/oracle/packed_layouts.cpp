// SPDX-License-Identifier: GPL-2.0
#include "packed_layouts.hpp"

#include <bit>
#include <cerrno>

namespace testexp {

namespace {

/* The answer for a page @pages further on. */
testexp_result moved(testexp_result result, std::uint64_t pages) {
    if (result.error == 0)
        result.pfn += pages;
    return result;
}

} // namespace

PackedLayouts::PackedLayouts(std::uint64_t max_pages) : slot_pages_(std::bit_ceil(max_pages + 1)) {
}

void PackedLayouts::add(const Layout& layout, const Oracle& oracle) {
    const std::uint64_t start = expected_.size();

    for (testexp_extent extent : layout.extents) {
        if (extent.type == TESTEXP_EXTENT_SYNTHETIC)
            extent.at += start;
        packed_.extents.push_back(extent);
    }
    packed_.hole(slot_pages_ - oracle.nr_pages());

    for (std::uint64_t pgoff = 0; pgoff < slot_pages_; pgoff++)
        expected_.push_back(pgoff < oracle.nr_pages() ? moved(oracle.expected(pgoff), start)
                                                      : refusal(-ENXIO));
    layouts_.push_back(layout);
}

void PackedLayouts::clear() {
    packed_.extents.clear();
    layouts_.clear();
    expected_.clear();
}

Mismatch PackedLayouts::mismatch(std::uint64_t pgoff, const testexp_result& is) const {
    const std::uint64_t slot = pgoff / slot_pages_;
    const std::uint64_t start = slot * slot_pages_;

    return {.layout = layouts_.at(slot),
            .pgoff = pgoff - start,
            .is = moved(is, -start),
            .must_be = moved(expected_.at(pgoff), -start)};
}

} // namespace testexp
