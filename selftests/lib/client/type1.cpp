// SPDX-License-Identifier: GPL-2.0
#include "type1.hpp"

#include <linux/vfio.h>

#include "call.hpp"

namespace testexp {

Status type1_map(const VfioDevice& device, const Mapping& mapping, std::uint64_t iova) {
    vfio_iommu_type1_dma_map argument{.argsz = sizeof(argument),
                                      .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                                      .vaddr = address_of(mapping),
                                      .iova = iova,
                                      .size = mapping.bytes().size()};

    return call(device.container(), VFIO_IOMMU_MAP_DMA, argument, "VFIO_IOMMU_MAP_DMA");
}

Result<std::uint64_t> type1_unmap(const VfioDevice& device, std::uint64_t iova,
                                  std::uint64_t bytes) {
    vfio_iommu_type1_dma_unmap argument{};

    argument.argsz = sizeof(argument);
    argument.iova = iova;
    argument.size = bytes;

    const Status done =
        call(device.container(), VFIO_IOMMU_UNMAP_DMA, argument, "VFIO_IOMMU_UNMAP_DMA");

    if (!done)
        return done.error();
    return std::uint64_t{argument.size};
}

} // namespace testexp
