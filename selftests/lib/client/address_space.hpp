/* SPDX-License-Identifier: GPL-2.0 */
/* An I/O address space of iommufd: the addresses that a device uses for DMA. */
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "testexp.hpp"

namespace testexp {

class AddressSpace {
public:
    /* Makes an address space, and attaches the VFIO device to the address space. */
    static Result<AddressSpace> make(int iommufd, int device);

    AddressSpace(AddressSpace&& other) noexcept
        : iommufd_(other.iommufd_), device_(std::exchange(other.device_, -1)), id_(other.id_) {}
    AddressSpace& operator=(AddressSpace&&) = delete;
    AddressSpace(const AddressSpace&) = delete;
    AddressSpace& operator=(const AddressSpace&) = delete;

    /* Detaches the device, and destroys the address space. */
    ~AddressSpace();

    /* Maps the beginning of a dma-buf. Returns the address that the device uses. */
    Result<std::uint64_t> map(int buffer, std::uint64_t bytes) const;

    /* The PFN of each page behind these addresses, where no IOMMU translates them. */
    Result<std::vector<std::uint64_t>> pfns_at(std::uint64_t address, std::uint64_t bytes) const;

private:
    AddressSpace(int iommufd, int device, std::uint32_t id)
        : iommufd_(iommufd), device_(device), id_(id) {}

    int iommufd_;
    int device_;
    std::uint32_t id_;
};

} // namespace testexp
