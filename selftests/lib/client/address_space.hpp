/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a process gets from iommufd: address spaces (IOAS), which say where the pages of a buffer
 * are for a device, and domains, which are page tables of the IOMMU.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "testexp.hpp"

namespace testexp {

/* Opens iommufd. The error's code is EOPNOTSUPP where this machine has no such device node. */
Result<Fd> open_iommufd(const std::filesystem::path& node = "/dev/iommu");

enum class Access { read, write, read_write };

/* A part of a dma-buf or of a memfd, and the addresses that a device uses for the part. */
struct MapRequest {
    int file = -1;
    std::uint64_t length_bytes = 0;
    std::uint64_t start_bytes = 0;          /* where the part begins in the file */
    std::optional<std::uint64_t> iova = {}; /* without a value the kernel chooses the addresses */
    Access access = Access::read_write;
};

/* An address space. Its destructor unmaps everything. */
class AddressSpace {
public:
    static Result<AddressSpace> make(int iommufd);

    AddressSpace(AddressSpace&& other) noexcept
        : iommufd_(other.iommufd_), id_(std::exchange(other.id_, 0)) {}
    AddressSpace& operator=(AddressSpace&&) = delete;
    AddressSpace(const AddressSpace&) = delete;
    AddressSpace& operator=(const AddressSpace&) = delete;
    ~AddressSpace();

    std::uint32_t id() const { return id_; }

    /* IOMMU_OPTION_HUGE_PAGES: each entry has one page. Only as long as nothing is mapped. */
    Status disable_large_pages() const;

    /* IOMMU_IOAS_MAP_FILE. Returns the first address (IOVA). */
    Result<std::uint64_t> map(const MapRequest& request) const;

    /* IOMMU_IOAS_MAP of memory of this process, at @iova. */
    Status map_memory(std::span<const std::byte> memory, std::uint64_t iova, Access access) const;

    /* IOMMU_IOAS_UNMAP. Returns the number of bytes that are mapped no longer. */
    Result<std::uint64_t> unmap(std::uint64_t iova, std::uint64_t bytes) const;

    /* Unmaps everything. Returns the number of bytes. */
    Result<std::uint64_t> unmap_all() const;

    /* IOMMU_IOAS_COPY: maps the same pages that @from maps at @source. Returns the first address.
     */
    Result<std::uint64_t> copy(const AddressSpace& from, std::uint64_t source, std::uint64_t bytes,
                               std::optional<std::uint64_t> iova = {}) const;

    /* The PFN of each page behind these addresses, where no IOMMU translates them. */
    Result<std::vector<std::uint64_t>> pfns_at(std::uint64_t iova, std::uint64_t bytes) const;

private:
    AddressSpace(int iommufd, std::uint32_t id) : iommufd_(iommufd), id_(id) {}

    int iommufd_;
    std::uint32_t id_; /* 0 for none */
};

/* A domain of its own for an address space, without a device in it (IOMMU_HWPT_ALLOC). */
class Domain {
public:
    /* @device: the number that iommufd gave to a VFIO device (VfioDevice::id_in_iommufd). */
    static Result<Domain> make(int iommufd, std::uint32_t device, const AddressSpace& space);

    Domain(Domain&& other) noexcept : iommufd_(other.iommufd_), id_(std::exchange(other.id_, 0)) {}
    Domain& operator=(Domain&&) = delete;
    Domain(const Domain&) = delete;
    Domain& operator=(const Domain&) = delete;
    ~Domain();

    std::uint32_t id() const { return id_; }

private:
    Domain(int iommufd, std::uint32_t id) : iommufd_(iommufd), id_(id) {}

    int iommufd_;
    std::uint32_t id_; /* 0 for none */
};

/* While the object exists, a VFIO device uses an address space or a domain for its DMA. */
class Attached {
public:
    /* @device: the descriptor of the device. @id: of an address space or of a domain. */
    static Result<Attached> attach(int device, std::uint32_t id);

    /* From now on the device uses this address space or domain. */
    Status change_to(std::uint32_t id) const;

    Attached(Attached&& other) noexcept : device_(std::exchange(other.device_, -1)) {}
    Attached& operator=(Attached&&) = delete;
    Attached(const Attached&) = delete;
    Attached& operator=(const Attached&) = delete;
    ~Attached();

private:
    explicit Attached(int device) : device_(device) {}

    int device_; /* -1 for none */
};

} // namespace testexp
