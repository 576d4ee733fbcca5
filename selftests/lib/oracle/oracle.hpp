/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The right answers: a brute-force page table of the buffer, with the largest order of each page as
 * section 2 of the contract defines it. Each block is checked by its halves.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layout.hpp"
#include "testexp_uapi.h"

namespace testexp {

/* One page of a buffer as an independent source shows it. */
struct Page {
    std::uint64_t pfn = 0; /* 0 for types without a PFN */
    std::uint32_t type = TESTEXP_EXTENT_RAM;
    std::uint32_t cache = TESTEXP_CACHE_WB;
    std::uint32_t attributes = 0;

    bool has_pfn() const { return type != TESTEXP_EXTENT_HOLE && type != TESTEXP_EXTENT_PRIVATE; }

    /* Whether dma_buf_get_pfn_attrs() must say that the page is MMIO. */
    bool is_mmio() const {
        return type == TESTEXP_EXTENT_MMIO || (attributes & TESTEXP_EXTENT_AS_MMIO) != 0;
    }

    /* Whether both pages may be in one block. */
    bool is_like(const Page& other) const {
        return type == other.type && cache == other.cache && attributes == other.attributes;
    }
};

class Oracle {
public:
    Oracle() = default;
    explicit Oracle(const std::vector<Page>& pages);

    /* Make the buffer one page longer or shorter. */
    void push(const Page& page);
    void pop();

    std::uint64_t nr_pages() const { return pages_.size(); }
    const std::vector<Page>& pages() const { return pages_; }

    /**
     * The exact answer for any @pgoff. Without a PFN, .error is a negative errno and the other
     * fields have the TESTEXP_UNTOUCHED_* values.
     */
    testexp_result expected(std::uint64_t pgoff) const;

private:
    bool is_good(std::size_t first, int order) const;

    std::vector<Page> pages_;
    std::vector<int> max_order_; /* for each page; -1 without a PFN */
};

/**
 * Each page of @layout, repeats included. Only PFNs of SYNTHETIC extents are known, because the
 * test chose them; others are 0. Pages of ALIAS are RAM.
 */
std::vector<Page> pages_of(const Layout& layout);

/* The answer where there is no PFN. @error is a negative errno. */
testexp_result refusal(int error);

bool same(const testexp_result& a, const testexp_result& b);

/* "{pfn 0x10, max_order 4, error 0}" */
std::string describe(const testexp_result& result);

} // namespace testexp
