/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The page table that an IOMMU must have for a buffer: the fewest entries that map each page to its
 * PFN. Each block is checked page by page.
 */
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "address_space.hpp"
#include "iommu_table.hpp"
#include "oracle.hpp"

namespace testexp {

/**
 * The entries for @pages, which a device finds from @iova on. An entry is as large as the alignment
 * of its PFN and of its IOVA permit. It has contiguous pages, which are of one kind to an IOMMU.
 */
std::vector<IommuLeaf> expected_leaves(std::uint64_t iova, std::span<const Page> pages,
                                       Access access = Access::read_write);

/* Whether one entry may have both pages: one type, and both or neither are write-back. */
bool is_like_to_iommu(const Page& a, const Page& b);

/* The first difference, on one line; "" without a difference. */
std::string difference(const std::vector<IommuLeaf>& is, const std::vector<IommuLeaf>& must_be);

} // namespace testexp
