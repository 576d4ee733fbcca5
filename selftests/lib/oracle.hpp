/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must come back: a brute-force page table of the buffer, and the answers
 * that section 2 of the contract wants, found by looking at every block.
 */
#pragma once

#include <cstdint>
#include <vector>

#include "layout.hpp"
#include "testexp_uapi.h"

namespace testexp {

/* One page of a buffer as an independent witness sees it. */
struct Page {
    std::uint64_t pfn = 0; /* of RAM */
    std::uint32_t type = TESTEXP_EXTENT_RAM;
};

class Oracle {
public:
    explicit Oracle(std::vector<Page> pages);

    std::uint64_t nr_pages() const { return pages_.size(); }
    const std::vector<Page>& pages() const { return pages_; }

    /**
     * The exact answer for any @pgoff: a negative errno in .error and the
     * TESTEXP_UNTOUCHED_* values where there is no PFN.
     */
    testexp_result expected(std::uint64_t pgoff) const;

private:
    void find_max_orders();

    std::vector<Page> pages_;
    std::vector<int> max_order_; /* of each page; -1 without a PFN */
};

/* The type of each page of @layout, repeats spelt out; PFNs are 0. */
std::vector<Page> pages_of(const Layout& layout);

} // namespace testexp
