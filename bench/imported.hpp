/* SPDX-License-Identifier: GPL-2.0 */
/* What the import benchmark maps, and what it maps with: iommufd, or VFIO's type1 driver. */
#pragma once

#include <cstdint>
#include <functional>
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

/* What one call of each kind took, in ticks of the benchmark's clock. */
struct Ticks {
    std::uint64_t map;
    std::uint64_t unmap;
};

/* Maps a buffer and unmaps the buffer again. The function owns what the buffer depends on. */
using MapAndUnmap = std::function<testexp::Result<Ticks>(ImportOp)>;

/**
 * For a buffer that iommufd maps into the spaces of @translated, which must outlive the function.
 * The error's text begins with requires_prefix where this machine cannot have such a buffer.
 */
testexp::Result<MapAndUnmap> map_by_iommufd(const Translated& translated,
                                            const ImportBuffer& buffer,
                                            const testexp::Device& device);

/* The same for a mapping of a BAR. The device must not be open. */
testexp::Result<MapAndUnmap> map_by_type1(const Type1Spec& spec);

/**
 * Calls @call for each batch of @row. Measures one of the two ioctls, as user space makes them. The
 * error is EINTR when a signal came.
 */
testexp::Result<testexp::Measurement> measure_import(const MapAndUnmap& call,
                                                     const ImportCase& row);

} // namespace bench
