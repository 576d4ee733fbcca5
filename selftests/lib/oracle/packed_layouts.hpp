/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Many small layouts side by side in one buffer, so that asking for one of them costs
 * no buffer and no importer of its own, and so that each is looked for among thousands
 * of others.
 *
 * Each begins at a multiple of a power of two that is larger than it, and a hole is
 * behind it. So the blocks in it are those of the layout on its own, and none
 * reaches out of it: the answers are the same, with as much added to pgoff and PFN.
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
    /* For layouts of holes, private and SYNTHETIC extents of up to @max_pages pages. */
    explicit PackedLayouts(std::uint64_t max_pages);

    void add(const Layout& layout, const Oracle& oracle);
    void clear();

    /* The buffer as a whole. */
    const Layout& layout() const { return packed_; }
    std::size_t nr_layouts() const { return layouts_.size(); }

    /* The answers for all its pages. */
    const std::vector<testexp_result>& expected() const { return expected_; }

    /* The layout that this page was put in with; is and must_be are of its own pages. */
    Mismatch mismatch(std::uint64_t pgoff, const testexp_result& is) const;

private:
    std::uint64_t slot_pages_;
    Layout packed_;
    std::vector<Layout> layouts_;
    std::vector<testexp_result> expected_;
};

} // namespace testexp
