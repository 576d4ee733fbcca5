// SPDX-License-Identifier: GPL-2.0
#include "far_oracle.hpp"

#include <algorithm>
#include <cerrno>

namespace testexp {

FarOracle::FarOracle(const Layout& layout) {
    for (const testexp_extent& extent : layout.extents) {
        const std::uint64_t start = nr_pages_;

        nr_pages_ += extent.nr_pages * extent.repeat;
        runs_.push_back({.start = start,
                         .end = nr_pages_,
                         .first = {.pfn = extent.at,
                                   .type = extent.type,
                                   .cache = extent.cache,
                                   .attributes = extent.attributes}});
    }
}

const FarOracle::Run& FarOracle::run_of(std::uint64_t pgoff) const {
    return *std::find_if(runs_.begin(), runs_.end(),
                         [&](const Run& run) { return pgoff < run.end; });
}

/* Whether the block of 2^@order pages that contains @pgoff is good. @pgoff has a PFN. */
bool FarOracle::is_good(std::uint64_t pgoff, int order) const {
    const std::uint64_t block_pages = std::uint64_t{1} << order;
    const std::uint64_t first = pgoff / block_pages * block_pages;
    const Run& here = run_of(pgoff);

    if (first + block_pages > nr_pages_ || here.pfn_of(pgoff) % block_pages != pgoff % block_pages)
        return false;

    return std::all_of(runs_.begin(), runs_.end(), [&](const Run& run) {
        const std::uint64_t from = std::max(first, run.start);
        const bool is_outside = from >= std::min(first + block_pages, run.end);

        return is_outside ||
               (run.first.is_like(here.first) && run.pfn_of(from) == here.pfn_of(from));
    });
}

testexp_result FarOracle::expected(std::uint64_t pgoff) const {
    if (pgoff >= nr_pages_)
        return refusal(-EINVAL);

    const Run& run = run_of(pgoff);

    if (!run.first.has_pfn())
        return refusal(run.first.type == TESTEXP_EXTENT_HOLE ? -ENXIO : -EOPNOTSUPP);

    int order = 0;

    while (is_good(pgoff, order + 1))
        order++;
    return {.pfn = run.pfn_of(pgoff), .max_order = order, .error = 0};
}

} // namespace testexp
