/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Many small layouts in one buffer. A layout then needs no buffer and no importer of its own, and
 * the lookup has to find it among thousands of others.
 *
 * Each layout begins at a multiple of a power of two that is larger than the layout, and a hole
 * follows it. So no block reaches beyond a layout, and its answers are those of the layout alone
 * with the same number added to pgoff and PFN.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "agreement.hpp"
#include "layout.hpp"
#include "oracle.hpp"
#include "testexp_uapi.h"

namespace testexp {

class PackedLayouts {
public:
    /* For layouts of holes, private and SYNTHETIC extents with up to @max_pages pages. */
    explicit PackedLayouts(std::uint64_t max_pages);

    void add(const Layout& layout, const Oracle& oracle);
    void clear();

    /* The layout of the whole buffer. */
    const Layout& layout() const { return packed_; }
    std::size_t nr_layouts() const { return layouts_.size(); }

    /* The right answers for all pages of the buffer. */
    const std::vector<testexp_result>& expected() const { return expected_; }

    /*
     * A wrong answer as a mismatch of the original layout: pgoff and PFNs are those of the layout
     * alone.
     */
    Mismatch mismatch(std::uint64_t pgoff, const testexp_result& is) const;

private:
    std::uint64_t slot_pages_;
    Layout packed_;
    std::vector<Layout> layouts_;
    std::vector<testexp_result> expected_;
};

} // namespace testexp
