/* SPDX-License-Identifier: GPL-2.0 */
/* What get_pfn and get_pfn_attrs answered, page by page; and which pages to ask for. */
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "testexp_uapi.h"

namespace check {

/* Type and cache mode of a page, as get_pfn_attrs reports them. */
struct Attributes {
    std::uint32_t type = TESTEXP_EXTENT_RAM; /* RAM or MMIO */
    std::uint32_t cache = TESTEXP_CACHE_WB;
    bool has_pci_provider = false; /* of peer-to-peer DMA */

    bool operator==(const Attributes&) const = default;
};

struct Answer {
    std::uint64_t pgoff = 0;
    testexp_result result{};
    std::optional<Attributes> attributes; /* nothing where get_pfn_attrs was not asked */

    bool has_pfn() const { return result.error == 0; }
};

/* Pages @first to @first + @count - 1. */
struct Window {
    std::uint64_t first = 0;
    std::uint64_t count = 0;

    bool operator==(const Window&) const = default;
};

/*
 * The pages of a buffer to ask for, in ascending order: all pages up to @limit pages. In a larger
 * buffer these are the first and the last pages, the pages at borders of aligned blocks of each
 * order, and whole small blocks at random places, together about @limit pages.
 */
std::vector<Window> pages_to_ask(std::uint64_t nr_pages, std::uint64_t limit, std::uint64_t seed);

/*
 * Further pages of each block that the answers report: the first, the middle and the last page,
 * both neighbours of the block, and random pages. At most @limit pages.
 */
std::vector<Window> pages_of_blocks(std::span<const Answer> answers, std::uint64_t nr_pages,
                                    std::uint64_t limit, std::uint64_t seed);

/* Sorts the windows, and joins those that touch or overlap. */
std::vector<Window> joined(std::vector<Window> windows);

std::uint64_t count_pages(std::span<const Window> windows);

/* For messages: "page 12" and "0xc". */
std::string page(std::uint64_t pgoff);
std::string hex(std::uint64_t value);

} // namespace check
