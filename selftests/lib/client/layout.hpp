/* SPDX-License-Identifier: GPL-2.0 */
/* The list of extents that a buffer consists of. */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "testexp_uapi.h"

namespace testexp {

/* Size of a page in bytes. */
std::uint64_t page_bytes();

/* The alignment of a RAM extent's PFNs, and how often the extent is repeated. */
struct Placement {
    std::uint32_t align_order = 0; /* the first PFN is skew modulo 2^align_order */
    std::uint64_t skew = 0;        /* less than 2^align_order */
    std::uint64_t repeat = 1;
};

/* What the pages of an MMIO or SYNTHETIC extent are. */
struct Kind {
    testexp_cache cache = TESTEXP_CACHE_UC;
    std::uint32_t attributes = 0; /* TESTEXP_EXTENT_P2P, TESTEXP_EXTENT_AS_MMIO */
    std::uint64_t repeat = 1;
};

/**
 * A buffer as a list of extents in the order of its pages. The extents are those of the ABI: CREATE
 * takes them unchanged, and a test can put wrong ones in.
 */
struct Layout {
    std::vector<testexp_extent> extents;

    /* Each of these adds an extent of @nr_pages at the end. */
    Layout& ram(std::uint64_t nr_pages, Placement placement = {});
    Layout& hole(std::uint64_t nr_pages);
    Layout& priv(std::uint64_t nr_pages);

    /* @at: the extent's first page within the BAR. */
    Layout& mmio(std::uint64_t at, std::uint64_t nr_pages, Kind kind = {});
    Layout& synthetic(std::uint64_t first_pfn, std::uint64_t nr_pages,
                      Kind kind = {.cache = TESTEXP_CACHE_WB});

    /* Adds RAM once more that is in the buffer already, from page @at on. */
    Layout& alias(std::uint64_t at, std::uint64_t nr_pages);

    /* Length of the buffer, including repeats. */
    std::uint64_t nr_pages() const;

    /* One short line for case names and messages, for example "2^9@9x4+hole:3". */
    std::string describe() const;

    /*
     * The expression that makes this layout, for example "Layout{}.synthetic(0x1000, 4).hole(3)".
     */
    std::string code() const;

    /**
     * RAM extents of 2^@order pages, each aligned to its size. Together they have @size_bytes; if
     * this is no multiple of an extent's size, std::invalid_argument. Use it with
     * TESTEXP_CREATE_SCATTER, or neighbouring extents may be adjacent and merge.
     */
    static Layout uniform(std::uint64_t size_bytes, std::uint32_t order);
};

} // namespace testexp
