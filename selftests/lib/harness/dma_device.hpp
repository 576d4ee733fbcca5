/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device edu as a user of an address space of iommufd, for tests that need to know whether a
 * DMA took place.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "address_space.hpp"
#include "edu.hpp"
#include "iommu_faults.hpp"
#include "vfio_binding.hpp"

namespace testexp {

class DmaDevice {
public:
    /*
     * Addresses for what a test maps. Accesses that the IOMMU refuses have to be announced for
     * this range; its last page is never mapped.
     */
    static constexpr IovaRange tested{0x2000'0000, 0x2fff'ffff};
    static constexpr std::uint64_t never_mapped = 0x2fff'f000;

    /* Words of the device's own buffer. A DMA of this class is one word long. */
    static constexpr std::uint64_t nr_slots = Edu::most_bytes / sizeof(std::uint64_t);

    /* Skips where VFIO or iommufd lack something. */
    DmaDevice();

    const std::string& name() const { return device_.name(); }
    const VfioDevice& vfio() const { return device_; }
    const AddressSpace& space() const { return space_; }

    /* Gives each slot of the device's buffer a word that nothing else has. */
    void load();

    /* The word of a slot since the last load(). */
    std::uint64_t loaded_word(std::uint64_t slot) const;

    /* What the device's buffer has now. */
    std::vector<std::uint64_t> unload();

    /* Starts a DMA of one word from a slot to an address, or from an address to a slot. */
    void start_write(std::uint64_t iova, std::uint64_t slot);
    void start_read(std::uint64_t iova, std::uint64_t slot);

    /* Whether the DMA has not taken place yet. */
    bool is_running() const { return edu_.is_running(); }

    void wait() { (void)edu_.wait().value(); }

    /* An announcement of faults in the range @tested. */
    ExpectedFaults expect_faults() const { return ExpectedFaults(name(), tested); }

    /* Ends the announcement. */
    void end(ExpectedFaults& faults);

    /* Accesses the address until the IOMMU reports this as a fault. */
    void expect_fault_at(std::uint64_t iova, ExpectedFaults& faults);

private:
    VfioBinding binding_;
    VfioDevice device_;
    AddressSpace space_;
    Attached attached_;
    Edu edu_;
    Fd memory_; /* a page that the address space always maps */
    Mapping words_;
    std::uint64_t nr_loads_ = 0;
};

/* How many bytes of DmaDevice::tested the IOMMU's page table of the device maps. */
std::uint64_t mapped_bytes(const std::string& device);

/*
 * Whether iommufd asks exporters for PFNs. The answer comes from /proc/kallsyms: an answer from
 * iommufd would hide that iommufd is broken. An iommufd that has a callback for revokes and no
 * dummy device attaches without a device, as only importers of PFNs can. The first call loads the
 * drivers and reads the file. In the plan of a program it does so once for all cases.
 */
bool has_pfn_importer();

/* Skips where iommufd does not ask exporters for PFNs. */
void require_pfn_importer();

} // namespace testexp
