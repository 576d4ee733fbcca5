/* SPDX-License-Identifier: GPL-2.0 */
/* What iommufd maps for the import benchmark: a device with a page table, and buffers. */
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "address_space.hpp"
#include "import_plan.hpp"
#include "testexp.hpp"
#include "vfio_device.hpp"

namespace bench {

/* A device whose DMA goes through an IOMMU, and two address spaces: with this device, and alone. */
class Translated {
public:
    /*
     * Takes the first device that VFIO has and that is not in @others. The error's text begins with
     * requires_prefix where this machine has none.
     */
    static testexp::Result<Translated> make(const std::vector<std::string>& others);

    const testexp::AddressSpace& space() const { return space_; }
    const testexp::AddressSpace& alone() const { return alone_; }

private:
    Translated(testexp::VfioDevice device, testexp::AddressSpace space, testexp::AddressSpace alone,
               testexp::Attached attached)
        : device_(std::move(device)), space_(std::move(space)), alone_(std::move(alone)),
          attached_(std::move(attached)) {}

    /* Members are destroyed from the last to the first. */
    testexp::VfioDevice device_;
    testexp::AddressSpace space_;
    testexp::AddressSpace alone_;
    testexp::Attached attached_;
};

/* A buffer, and what the buffer depends on. */
struct Imported {
    testexp::ForeignBuffer buffer;
    std::uint64_t size_bytes = 0;
};

/* The error's text begins with requires_prefix where this machine cannot have such a buffer. */
testexp::Result<Imported> make_imported(const ImportBuffer& buffer, const testexp::Device& device);

/**
 * Maps and unmaps @imported in @space, @batches times. Measures one of the two calls, as an ioctl
 * that user space makes. The error is EINTR when a signal came.
 */
testexp::Result<testexp::Measurement> measure_import(const testexp::AddressSpace& space,
                                                     const Imported& imported, bool unmap,
                                                     std::uint64_t batches);

} // namespace bench
