/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The oracle for buffers that are too large for a table of their pages. It applies section 2 of the
 * contract order by order and looks at each block extent by extent. It shares no code with Oracle,
 * and a test compares the two.
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
    /* @layout: of holes, private and SYNTHETIC extents. The PFNs of other extents are not known. */
    explicit FarOracle(const Layout& layout);

    std::uint64_t nr_pages() const { return nr_pages_; }

    /* The same as Oracle::expected(). */
    testexp_result expected(std::uint64_t pgoff) const;

private:
    struct Run {
        std::uint64_t start = 0;
        std::uint64_t end = 0; /* the page behind the last */
        Page first;

        std::uint64_t pfn_of(std::uint64_t pgoff) const { return first.pfn + (pgoff - start); }
    };

    const Run& run_of(std::uint64_t pgoff) const;
    bool is_good(std::uint64_t pgoff, int order) const;

    std::vector<Run> runs_;
    std::uint64_t nr_pages_ = 0;
};

} // namespace testexp
