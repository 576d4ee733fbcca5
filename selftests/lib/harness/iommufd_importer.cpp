// SPDX-License-Identifier: GPL-2.0
#include "iommufd_importer.hpp"

#include "fixture.hpp"
#include "value_or_skip.hpp"

namespace testexp {

EduBehindIommu::EduBehindIommu()
    : binding_(edu_id), device_(value_or_skip(VfioDevice::open(binding_.device()))) {
    mount_debugfs();
    REQUIRE(!device_.is_noiommu(), "no IOMMU translates for the device edu");
    (void)value_or_skip(read_iommu_table(device_.name()));
}

std::vector<IommuLeaf> EduBehindIommu::table() const {
    return read_iommu_table(device_.name()).value();
}

void EduBehindIommu::expect_table(const std::vector<IommuLeaf>& must_be,
                                  const std::string& when) const {
    const std::string wrong = difference(table(), must_be);

    ksft::expect(wrong.empty(), when + ", page table: " + wrong);
}

} // namespace testexp
