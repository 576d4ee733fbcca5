/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A PCI device that VFIO gives to this process. The destructor closes the device, which revokes its
 * dma-bufs for good.
 */
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "testexp.hpp"

namespace testexp {

struct VfioRange {
    std::uint64_t offset_bytes = 0; /* within the region */
    std::uint64_t length_bytes = 0;

    bool operator==(const VfioRange&) const = default;
};

/* Where the devices are; a test has directories of its own. */
struct VfioPaths {
    std::filesystem::path devices = "/sys/bus/pci/devices";
    std::filesystem::path dev = "/dev";
    std::filesystem::path modules = "/sys/module";
};

/**
 * The error of a call that gives @device to the driver of the IOMMU, from errno. The kernel refuses
 * a device without interrupt remapping (EPERM) unless @module allows such devices. This refusal is
 * a lack of the machine, so its code is EOPNOTSUPP.
 */
Error vfio_refusal(const std::string& what, const std::string& device, const std::string& module,
                   const VfioPaths& paths = {});

class VfioDevice {
public:
    /**
     * Opens the device through /dev/iommu, or where the kernel has no such device node, through its
     * group. Switches memory decode on. The error's text is one line that says what to do. Its code
     * is EOPNOTSUPP where this machine lacks something.
     */
    static Result<VfioDevice> open(const std::string& device, const VfioPaths& paths = {});

    /**
     * The same for a device that uses the iommufd of @other, so that both devices can have the same
     * address spaces.
     */
    static Result<VfioDevice> open_beside(const VfioDevice& other, const std::string& device,
                                          const VfioPaths& paths = {});

    /**
     * The same through the device's group and a container of its own, also where the kernel has
     * /dev/iommu. Where an IOMMU is there, VFIO's type1 driver gives the container its page table.
     */
    static Result<VfioDevice> open_by_group(const std::string& device, const VfioPaths& paths = {});

    /* The device of a descriptor that another process has opened; only for the ioctls of VFIO. */
    static VfioDevice of_descriptor(std::string name, Fd device) {
        return {std::move(name), std::move(device), false};
    }

    /* The dma-buf of these ranges of a BAR, in this order. */
    Result<Fd> export_dma_buf(std::uint32_t region, std::span<const VfioRange> ranges) const;

    /* Size of a region in bytes; 0 if the device has no such region. */
    Result<std::uint64_t> region_bytes(std::uint32_t region) const;

    /* Where the region is in the file of the device, for mmap. */
    Result<std::uint64_t> region_offset(std::uint32_t region) const;

    /* VFIO_DEVICE_RESET revokes the dma-bufs and restores them, in one call. */
    Status reset() const;
    bool can_reset() const;

    /* The bit "memory space" of the PCI command register. Off revokes the dma-bufs, on restores. */
    Status set_memory_decode(bool on) const;

    /* Lets the device begin DMA. */
    Status set_bus_master(bool on) const;

    /**
     * The PFN of each page of a dma-buf of this device, as iommufd knows them. Only for a device
     * without IOMMU. A kernel whose iommufd does not use get_pfn takes one range only (EOPNOTSUPP).
     */
    Result<std::vector<std::uint64_t>> pfns_without_iommu(int buffer, std::uint64_t bytes) const;

    /* A descriptor for the ioctls of VFIO, and the one of iommufd; -1 for a device of a group. */
    int fd() const { return device_.get(); }
    int iommufd() const { return iommufd_.get(); }

    /* The container of a device that was opened by its group; -1 for other devices. */
    int container() const { return container_.get(); }

    /* The device's number in iommufd; 0 for a device of a group. */
    std::uint32_t id_in_iommufd() const { return id_in_iommufd_; }

    const std::string& name() const { return name_; }

    /* Whether no IOMMU is between the device and memory. */
    bool is_noiommu() const { return is_noiommu_; }

private:
    VfioDevice(std::string name, Fd device, bool is_noiommu)
        : device_(std::move(device)), name_(std::move(name)), is_noiommu_(is_noiommu) {}

    static Result<VfioDevice> decoding(Result<VfioDevice> opened);
    static Result<VfioDevice> open_cdev(const std::string& device, const VfioPaths& paths,
                                        Result<Fd> iommufd);
    static Result<VfioDevice> open_group(const std::string& device, const VfioPaths& paths);

    Status change_command(std::uint16_t bit, bool on) const;

    /* Members are destroyed from the last to the first: the device before its group. */
    Fd container_;
    Fd group_;
    Fd iommufd_;
    Fd device_;
    std::string name_;
    bool is_noiommu_;
    std::uint32_t id_in_iommufd_ = 0;
};

} // namespace testexp
