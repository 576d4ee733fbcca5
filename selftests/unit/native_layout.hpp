/* SPDX-License-Identifier: GPL-2.0 */
/* The module's layout.c, built natively, as a lookup that resolves pages. */
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "layout.hpp"

extern "C" {
#include "exporter/layout.h"
}

class NativeLayout {
public:
    /*
     * Does what the exporter does at CREATE. False if testexp_layout_append() refuses. All places
     * are PFNs.
     */
    bool build(const testexp::Layout& from) {
        reset(from.extents.size());
        return std::all_of(from.extents.begin(), from.extents.end(),
                           [this](const testexp_extent& extent) { return append(extent) == 0; });
    }

    /* Makes the layout empty, with room for @capacity extents. */
    void reset(std::size_t capacity) {
        extents_.assign(capacity, {});
        extents_.reserve(1); /* data() of an empty vector may be NULL */
        layout_ = {.extents = extents_.data(),
                   .capacity = static_cast<u32>(capacity),
                   .nr_extents = 0,
                   .nr_pages = 0};
    }

    /* 0, or the negative errno of testexp_layout_append(). */
    int append(const testexp_extent& extent) {
        const layout_kind kind{.type = extent.type,
                               .cache = static_cast<u16>(extent.cache),
                               .attributes = static_cast<u16>(extent.attributes)};

        return testexp_layout_append(&layout_, kind, extent.at, extent.nr_pages * extent.repeat);
    }

    const layout& get() const { return layout_; }

    /* Does what the core does, because layout_lookup() does not check the end of the buffer. */
    testexp_result resolve(std::uint64_t pgoff) const {
        testexp_result result{
            .pfn = TESTEXP_UNTOUCHED_PFN, .max_order = TESTEXP_UNTOUCHED_ORDER, .error = -EINVAL};

        if (pgoff < layout_.nr_pages)
            result.error = layout_lookup(&layout_, pgoff, &result.pfn, &result.max_order);
        return result;
    }

private:
    std::vector<layout_extent> extents_;
    layout layout_{};
};

/* A testexp::Lookup. */
inline std::vector<testexp_result> ask_layout_c(const testexp::Layout& layout,
                                                const std::vector<std::uint64_t>& pgoffs) {
    NativeLayout native;
    std::vector<testexp_result> answers;

    (void)native.build(layout);
    answers.reserve(pgoffs.size());
    for (const std::uint64_t pgoff : pgoffs)
        answers.push_back(native.resolve(pgoff));
    return answers;
}

/*
 * The same after each cache mode was turned into a type that has PFNs. Then only the type
 * distinguishes neighbours, which the ABI could not express.
 */
inline std::vector<testexp_result> ask_layout_c_by_type(testexp::Layout layout,
                                                        const std::vector<std::uint64_t>& pgoffs) {
    constexpr std::uint32_t types[TESTEXP_CACHE_MODES] = {TESTEXP_EXTENT_RAM, TESTEXP_EXTENT_MMIO,
                                                          TESTEXP_EXTENT_SYNTHETIC};

    for (testexp_extent& extent : layout.extents)
        if (extent.type == TESTEXP_EXTENT_SYNTHETIC) {
            extent.type = types[extent.cache];
            extent.cache = TESTEXP_CACHE_WB;
        }
    return ask_layout_c(layout, pgoffs);
}
