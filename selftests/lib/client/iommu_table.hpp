/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page table that an Intel IOMMU uses for a device, as debugfs shows the table
 * (CONFIG_INTEL_IOMMU_DEBUGFS). The formats are those of the VT-d specification for second-stage
 * translation, which has no cache mode for a page.
 */
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "testexp.hpp"

namespace testexp {

/* An entry that maps 2^order pages. */
struct IommuLeaf {
    std::uint64_t iova = 0; /* address of the first page that a device uses, in bytes */
    std::uint64_t pfn = 0;
    int order = 0; /* 0, 9 or 18 */
    bool readable = false;
    bool writeable = false;
    bool snooped = false; /* the domain lets no DMA go past the processor's caches */

    std::uint64_t bytes() const;
    std::uint64_t end() const { return iova + bytes(); }
    bool operator==(const IommuLeaf&) const = default;
};

/* The entries in the order of their addresses. The error's code is EPROTO for any other text. */
Result<std::vector<IommuLeaf>> parse_iommu_table(std::string_view text);

/**
 * The page table of a PCI device, such as "0000:00:10.0". A device without a domain of its own has
 * no entries. The error's code is EOPNOTSUPP where the kernel shows no such table.
 */
Result<std::vector<IommuLeaf>>
read_iommu_table(const std::string& device,
                 const std::filesystem::path& debugfs = "/sys/kernel/debug");

/* "0x1000: PFN 0x42, order 9, rw" */
std::string describe(const IommuLeaf& leaf);

} // namespace testexp
