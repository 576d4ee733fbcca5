// SPDX-License-Identifier: GPL-2.0
#include <gtest/gtest.h>

#include "iommu_faults.hpp"

namespace testexp {
namespace {

TEST(IommuFaults, AreFoundInLinesOfEachDriver) {
    const IommuFault fault{"0000:00:10.0", 0x101000};

    for (const char* line :
         {"DMAR: [DMA Write NO_PASID] Request device [0000:00:10.0] fault addr 0x101000 "
          "[fault reason 0x05] PTE Write access is not set",
          "DMAR: [DMA Read NO_PASID] Request device [00:10.0] fault addr 0x101000 "
          "[fault reason 0x06] PTE Read access is not set",
          "DMAR: [DMA Read] Request device [00:10.0] PASID ffffffff fault addr 101000 "
          "[fault reason 06] PTE Read access is not set",
          "AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:00:10.0 domain=0x0007 "
          "address=0x101000 flags=0x0020]",
          "vfio-pci 0000:00:10.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0007 "
          "address=0x101000 flags=0x0000]"})
        EXPECT_EQ(fault_in(line), fault) << line;
}

TEST(IommuFaults, AreNotFoundInOtherLines) {
    for (const char* line :
         {"", "DMAR: DRHD: handling fault status reg 2", "dmar_fault: 17 callbacks suppressed",
          "DMAR: Dump dmar0 table entries for IOVA 0x101000",
          "AMD-Vi: Event logged [IOTLB_INV_TIMEOUT device=0000:00:10.0 address=0x101000]"})
        EXPECT_FALSE(fault_in(line)) << line;
}

} // namespace
} // namespace testexp
