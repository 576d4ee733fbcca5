/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a test asks for: the list of extents a buffer is made of.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "testexp_uapi.h"

namespace testexp {

/* Size of a page of this machine in bytes. */
std::uint64_t page_bytes();

/* Where the PFNs of a RAM extent lie, and how often it is repeated. */
struct Placement {
    std::uint32_t align_order = 0; /* first PFN is skew modulo 2^align_order */
    std::uint64_t skew = 0;        /* less than 2^align_order */
    std::uint64_t repeat = 1;
};

/* What the pages of an MMIO or SYNTHETIC extent are. */
struct Kind {
    testexp_cache cache = TESTEXP_CACHE_UC;
    std::uint32_t attributes = 0; /* TESTEXP_EXTENT_P2P */
    std::uint64_t repeat = 1;
};

/**
 * A buffer as a list of extents, in the order of its pages. A plain value; the
 * extents are those of the ABI, so that CREATE takes them as they are and a test
 * can also put wrong ones in.
 */
struct Layout {
    std::vector<testexp_extent> extents;

    /* Each adds an extent of @nr_pages at the end. */
    Layout& ram(std::uint64_t nr_pages, Placement placement = {});
    Layout& hole(std::uint64_t nr_pages);
    Layout& priv(std::uint64_t nr_pages);

    /* @at: the first page within the BAR. */
    Layout& mmio(std::uint64_t at, std::uint64_t nr_pages, Kind kind = {});
    Layout& synthetic(std::uint64_t first_pfn, std::uint64_t nr_pages,
                      Kind kind = {.cache = TESTEXP_CACHE_WB});

    /* RAM that is in the buffer already, from pgoff @at on. */
    Layout& alias(std::uint64_t at, std::uint64_t nr_pages);

    /* Length of the buffer, repeats counted. */
    std::uint64_t nr_pages() const;

    /* One short line for case names and messages, e.g. "2^9@9x4+hole:3". */
    std::string describe() const;

    /* The expression that makes it, e.g. "Layout{}.synthetic(0x1000, 4).hole(3)". */
    std::string code() const;

    /**
     * RAM extents of 2^@order pages, each aligned to its size, @size_bytes
     * together; @size_bytes must be a multiple of the extent's size, else
     * std::invalid_argument. Needs TESTEXP_CREATE_SCATTER, or neighbours may be
     * adjacent and merge.
     */
    static Layout uniform(std::uint64_t size_bytes, std::uint32_t order);
};

} // namespace testexp
