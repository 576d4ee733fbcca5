/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buffers of the kernel's own exporters whose pages are known without get_pfn: from the pagemap of
 * the memfd (udmabuf), from the page table of a mapping (system heap), and from sysfs (a BAR that
 * VFIO exports).
 */
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "foreign_buffer.hpp"
#include "oracle.hpp"
#include "pci.hpp"
#include "testexp.hpp"

namespace testexp {

/* A buffer, its pages, and what the buffer depends on. */
struct ReferenceBuffer {
    std::shared_ptr<void> reserved;
    Fd memory;
    Fd fd;
    std::vector<Page> pages;
};

/* Consecutive pages of a memfd or of a BAR. */
struct Piece {
    std::uint64_t first;
    std::uint64_t count;
};

/*
 * wrong_inside_pages pages. In some aligned blocks two pages inside are exchanged, or page 0 stands
 * for a page inside. The first and the last page of each block are in place: an exporter that does
 * not look at every page takes the block for contiguous.
 */
inline constexpr std::uint64_t wrong_inside_pages = 256;
std::vector<Piece> wrong_inside();

struct UdmabufList {
    const char* name;
    std::uint64_t memory_pages;
    bool huge;
    std::vector<Piece> pieces;
};

std::vector<UdmabufList> udmabuf_lists();

/* Each of these skips where this machine cannot make the buffer. */
ReferenceBuffer make_udmabuf_list(const UdmabufList& list);
ReferenceBuffer make_system_heap(std::uint64_t nr_pages);

/* Ranges of a BAR that has 256 pages or more. */
struct BarRanges {
    const char* name;
    std::vector<Piece> pieces;
};

std::vector<BarRanges> bar_ranges();
std::vector<VfioRange> vfio_ranges(const std::vector<Piece>& pieces);

/* What VFIO says that a BAR is. */
inline constexpr Page uncached_mmio = {
    .pfn = 0, .type = TESTEXP_EXTENT_MMIO, .cache = TESTEXP_CACHE_UC};

std::vector<Page> pages_of_bar(const PciBar& bar, const std::vector<Piece>& pieces);

} // namespace testexp
