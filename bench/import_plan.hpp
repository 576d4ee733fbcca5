/* SPDX-License-Identifier: GPL-2.0 */
/* What the import benchmark measures, as data. Pure: needs no module. */
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "foreign_buffer.hpp"

namespace bench {

/* Pages of 4 KiB of a memfd. iommufd pins these pages one by one: what users do without dma-buf. */
struct MemfdSpec {
    std::uint64_t size_bytes = 0;

    bool operator==(const MemfdSpec&) const = default;
};

/* A buffer of the test exporter: runs of one size, none of which continues another. */
struct RunsSpec {
    std::uint64_t size_bytes = 0;
    std::uint64_t nr_runs = 1;

    bool operator==(const RunsSpec&) const = default;
};

/*
 * A mapping of a range of a BAR in this process. VFIO's type1 driver looks up the pages: what users
 * do without iommufd.
 */
struct Type1Spec {
    testexp::VfioSpec bar; /* has one range */

    /*
     * Whether the address of the mapping is chosen so that each page of the mapping can be as large
     * as the BAR permits. QEMU does this since 9.2. mmap() alone leads to pages of 4 KiB.
     */
    bool aligned = true;

    bool operator==(const Type1Spec&) const = default;
};

using ImportBuffer = std::variant<MemfdSpec, RunsSpec, testexp::ForeignSpec, Type1Spec>;

std::uint64_t size_bytes_of(const ImportBuffer& buffer);

enum class ImportOp {
    map,       /* into an address space with the page table of an IOMMU */
    unmap,     /* from there */
    map_alone, /* into an address space without a page table: only the list of PFNs is made */
    copy_last, /* of the last page, from the address space of map_alone to that of map */
    map_first  /* map of a new mapping of this process, whose pages VFIO's type1 driver faults in */
};

/* The number of pages that one operation maps or unmaps. */
std::uint64_t pages_of(const ImportBuffer& buffer, ImportOp op);

struct ImportCase {
    std::string name;
    ImportBuffer buffer;
    ImportOp op = ImportOp::map;
    std::uint64_t batches = 1; /* of one operation each */
};

/**
 * All cases of these exporters (Options::exporters), and those of a memfd. A BAR in one range has
 * cases of type1 as well. Cases with the same buffer follow one another.
 */
std::vector<ImportCase> make_import_plan(const std::vector<std::string>& exporters);

} // namespace bench
