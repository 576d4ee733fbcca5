/* SPDX-License-Identifier: GPL-2.0 */
/* What an importer finds in a buffer of another exporter than the test exporter. Pure. */
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "plan.hpp"
#include "testexp.hpp"

namespace bench {

/* A message that begins with this text says why this machine cannot measure a case. */
inline constexpr const char* requires_prefix = "requires ";

struct Found {
    std::string no_pfn;     /* why get_pfn does not give a PFN for every page, or "" */
    std::string no_map;     /* why the importer cannot map the buffer for DMA, or "" */
    std::uint64_t runs = 0; /* of contiguous pages; 0 when nothing tells */
    std::map<int, std::uint64_t> pages_by_order; /* by the max_order that get_pfn returned */

    /* Counters by the names of results/schema.md. */
    std::map<std::string, double> counters() const;
};

/* @pages: the results of get_pfn for all pages. Also takes a buffer without get_pfn. */
void add_pages(Found& found, std::span<const testexp_result> pages);

/* @segments: the DMA mapping. Its runs count only where get_pfn gives no PFN. */
void add_segments(Found& found, std::span<const testexp_map_entry> segments);

/* Whether such an errno of map_dma_buf or mmap means that the exporter cannot do this at all. */
bool is_lack_of_exporter(int code);

/* "64 MiB", or "12 KiB" where this is no whole number of MiB. */
std::string text_of_bytes(std::uint64_t bytes);

/* What a buffer of another exporter lacks for @row, or "". @icount: instructions are counted. */
std::string what_is_lacking(const Case& row, const Found& found, bool icount);

/*
 * An error of MEASURE that says what the buffer lacks for @row begins with requires_prefix in the
 * result. Every other error is returned unchanged.
 */
testexp::Error explain_measure(const Case& row, const testexp::Error& error);

} // namespace bench
