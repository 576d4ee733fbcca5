/* SPDX-License-Identifier: GPL-2.0 */
/* IOMMUFD as an importer of dma-bufs, with QEMU's device edu for the DMA. */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "address_space.hpp"
#include "dma_device.hpp"
#include "edu.hpp"
#include "iommu_leaves.hpp"
#include "vfio_binding.hpp"
#include "vfio_device.hpp"

namespace testexp {

inline std::uint64_t bytes_of(std::uint64_t nr_pages) {
    return nr_pages * page_bytes();
}

/* A base class that skips where iommufd does not import dma-bufs by get_pfn. */
struct RequiredImporter {
    RequiredImporter() { require_pfn_importer(); }
};

/* The VFIO device of edu. Skips where there is no IOMMU that shows its page table. */
class EduBehindIommu {
public:
    EduBehindIommu();

    const VfioDevice& device() const { return device_; }
    int iommufd() const { return device_.iommufd(); }

    /* The BAR of edu, whose pages are the device's registers. */
    PciBar bar() const { return binding_.bar(0); }

    /* The page table that the IOMMU uses for edu. */
    std::vector<IommuLeaf> table() const;

    /* Expects that the whole page table is this. */
    void expect_table(const std::vector<IommuLeaf>& must_be, const std::string& when) const;

private:
    VfioBinding binding_;
    VfioDevice device_;
};

} // namespace testexp
