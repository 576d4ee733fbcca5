// SPDX-License-Identifier: GPL-2.0
#include "dma_device.hpp"

#include <algorithm>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#include "fixture.hpp"
#include "iommu_table.hpp"
#include "kernel_exporters.hpp"
#include "ksft.hpp"
#include "layout.hpp"
#include "value_or_skip.hpp"

namespace testexp {

namespace {

constexpr std::uint64_t own_iova = 0x1000'0000;
constexpr std::uint64_t first_word = 0xed00'0000'0000'0000;

Fd page_of_memory() {
    Fd memory(memfd_create("dma_device", MFD_CLOEXEC));

    if (!memory || ftruncate(memory.get(), static_cast<off_t>(page_bytes())) < 0)
        throw std::runtime_error(errno_error("memfd").what);
    return memory;
}

} // namespace

DmaDevice::DmaDevice()
    : binding_(edu_id), device_(value_or_skip(VfioDevice::open(binding_.device()))),
      space_(value_or_skip(AddressSpace::make(device_.iommufd()))),
      attached_(value_or_skip(Attached::attach(device_.fd(), space_.id()))),
      edu_(value_or_skip(Edu::make(device_))), memory_(page_of_memory()),
      words_(Mapping::map(memory_.get(), 1).value()) {
    mount_debugfs(); /* for ExpectedFaults */
    REQUIRE(!device_.is_noiommu(), "without an IOMMU nothing ends a device's access");
    (void)value_or_skip(
        space_.map({.file = memory_.get(), .length_bytes = page_bytes(), .iova = own_iova}));
    load();
}

void DmaDevice::load() {
    auto* words = reinterpret_cast<std::uint64_t*>(words_.bytes().data());

    nr_loads_++;
    for (std::uint64_t slot = 0; slot < nr_slots; slot++)
        words[slot] = loaded_word(slot);
    (void)edu_.read(own_iova).value();
}

std::uint64_t DmaDevice::loaded_word(std::uint64_t slot) const {
    return first_word + (nr_loads_ << 16) + slot;
}

std::vector<std::uint64_t> DmaDevice::unload() {
    std::memset(words_.bytes().data(), 0, words_.bytes().size());
    (void)edu_.write(own_iova).value();

    const auto* words = reinterpret_cast<const std::uint64_t*>(words_.bytes().data());

    return {words, words + nr_slots};
}

void DmaDevice::start_write(std::uint64_t iova, std::uint64_t slot) {
    (void)edu_.start_write(iova, sizeof(std::uint64_t), slot * sizeof(std::uint64_t)).value();
}

void DmaDevice::start_read(std::uint64_t iova, std::uint64_t slot) {
    (void)edu_.start_read(iova, sizeof(std::uint64_t), slot * sizeof(std::uint64_t)).value();
}

void DmaDevice::expect_fault_at(std::uint64_t iova, ExpectedFaults& faults) {
    faults.until_reported(iova, [&] {
        start_write(iova, 0);
        wait();
    });
}

void DmaDevice::end(ExpectedFaults& faults) {
    faults.end(never_mapped, [&] {
        start_write(never_mapped, 0);
        wait();
    });
}

std::uint64_t mapped_bytes(const std::string& device) {
    std::uint64_t bytes = 0;

    for (const IommuLeaf& leaf : read_iommu_table(device).value()) {
        const std::uint64_t begin = std::max(leaf.iova, DmaDevice::tested.first);
        const std::uint64_t end = std::min(leaf.end(), DmaDevice::tested.last + 1);

        bytes += end > begin ? end - begin : 0;
    }
    return bytes;
}

bool has_pfn_importer() {
    load_vfio();

    static const bool has =
        kernel_has_symbol("iopt_revoke_notify") && !kernel_has_symbol("iommufd_global_device");

    return has;
}

void require_pfn_importer() {
    REQUIRE(has_pfn_importer(), "this kernel's iommufd does not import dma-bufs by get_pfn");
}

} // namespace testexp
