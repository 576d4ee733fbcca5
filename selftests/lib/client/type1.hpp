/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VFIO's type1 driver, which iommufd replaces: it looks up the pages behind a mapping of this
 * process, and puts these pages into the page table of an IOMMU. The device has to be opened by its
 * group (VfioDevice::open_by_group).
 */
#pragma once

#include <cstdint>

#include "testexp.hpp"
#include "vfio_device.hpp"

namespace testexp {

/* VFIO_IOMMU_MAP_DMA: from now on the device finds the pages of @mapping at @iova. */
Status type1_map(const VfioDevice& device, const Mapping& mapping, std::uint64_t iova);

/* VFIO_IOMMU_UNMAP_DMA. Returns the number of bytes that are mapped no longer. */
Result<std::uint64_t> type1_unmap(const VfioDevice& device, std::uint64_t iova,
                                  std::uint64_t bytes);

} // namespace testexp
