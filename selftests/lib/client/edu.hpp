/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QEMU's PCI device edu. The device copies nearly 4 KiB by DMA between memory and a buffer of its
 * own. QEMU waits 100 ms before each DMA.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "pci.hpp"
#include "testexp.hpp"
#include "vfio_device.hpp"

namespace testexp {

inline constexpr PciId edu_id = {0x1234, 0x11e8};

class Edu {
public:
    /* QEMU refuses a DMA that ends with the last byte of the device's own buffer. */
    static constexpr std::uint64_t most_bytes = 4088;

    /* Lets the device begin DMA, and maps its registers. @device must outlive the object. */
    static Result<Edu> make(const VfioDevice& device);

    /**
     * DMA from these addresses (IOVA) to the device's own buffer, and the other way round. In the
     * buffer the DMA begins at byte @at. EINVAL for what does not fit into most_bytes. The device
     * does not notice when the IOMMU refuses the DMA: then the copy does not take place.
     */
    Status start_read(std::uint64_t iova, std::uint64_t bytes, std::uint64_t at = 0);
    Status start_write(std::uint64_t iova, std::uint64_t bytes, std::uint64_t at = 0);

    /* Whether the DMA that was started has not taken place yet. */
    bool is_running() const;

    /* Waits until the DMA has taken place, or was refused. */
    Status wait() const;

    /* Start and wait. */
    Status read(std::uint64_t iova, std::uint64_t bytes = most_bytes);
    Status write(std::uint64_t iova, std::uint64_t bytes = most_bytes);

private:
    explicit Edu(Mapping registers) : registers_(std::move(registers)) {}

    void begin(std::uint64_t source, std::uint64_t target, std::uint64_t bytes,
               std::uint64_t direction);
    void set(std::size_t offset, std::uint64_t value);
    std::uint64_t get(std::size_t offset) const;

    Mapping registers_;
};

} // namespace testexp
