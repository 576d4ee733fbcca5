/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The oracle for buffers that are too large for a table of their pages: the
 * contract's sentence, order by order, with each block looked at extent by extent.
 * It shares no code with the table's, which it is tested against.
 */
#pragma once

#include <cstdint>
#include <vector>

#include "layout.hpp"
#include "oracle.hpp"
#include "testexp_uapi.h"

namespace testexp {

class FarOracle {
public:
    /* Of holes, private and SYNTHETIC extents: of others the PFNs are not known. */
    explicit FarOracle(const Layout& layout);

    std::uint64_t nr_pages() const { return nr_pages_; }

    /* As Oracle::expected(). */
    testexp_result expected(std::uint64_t pgoff) const;

private:
    struct Run {
        std::uint64_t start = 0;
        std::uint64_t end = 0; /* behind its last page */
        Page first;

        std::uint64_t pfn_of(std::uint64_t pgoff) const { return first.pfn + (pgoff - start); }
    };

    const Run& run_of(std::uint64_t pgoff) const;
    bool is_good(std::uint64_t pgoff, int order) const;

    std::vector<Run> runs_;
    std::uint64_t nr_pages_ = 0;
};

} // namespace testexp
