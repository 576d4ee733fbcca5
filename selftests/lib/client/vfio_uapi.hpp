/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parts of linux/vfio.h and linux/iommufd.h that Debian 12's headers do not have, under names
 * of our own, so that both may be included.
 */
#pragma once

#include <cstdint>

#include <linux/vfio.h>
#include <sys/ioctl.h>

namespace testexp::uapi {

/* linux/vfio.h, since 6.6 */
struct BindIommufd {
    std::uint32_t argsz;
    std::uint32_t flags;
    std::int32_t iommufd;
    std::uint32_t out_devid;
};
inline constexpr unsigned long bind_iommufd = _IO(VFIO_TYPE, VFIO_BASE + 18);

struct AttachAddressSpace {
    std::uint32_t argsz;
    std::uint32_t flags;
    std::uint32_t pt_id;
};
inline constexpr unsigned long attach_address_space = _IO(VFIO_TYPE, VFIO_BASE + 19);

struct DetachAddressSpace {
    std::uint32_t argsz;
    std::uint32_t flags;
};
inline constexpr unsigned long detach_address_space = _IO(VFIO_TYPE, VFIO_BASE + 20);

/* linux/vfio.h, since 6.19: vfio_device_feature and vfio_device_feature_dma_buf. VfioRanges follow.
 */
struct FeatureDmaBuf {
    std::uint32_t argsz;
    std::uint32_t flags;
    std::uint32_t region_index;
    std::uint32_t open_flags;
    std::uint32_t feature_flags;
    std::uint32_t nr_ranges;
};
inline constexpr std::uint32_t feature_dma_buf = 11;

/* linux/iommufd.h, since 6.2 */
inline constexpr unsigned int iommufd_type = ';';

struct DestroyObject {
    std::uint32_t size;
    std::uint32_t id;
};
inline constexpr unsigned long destroy_object = _IO(iommufd_type, 0x80);

struct AddressSpaceAlloc {
    std::uint32_t size;
    std::uint32_t flags;
    std::uint32_t out_ioas_id;
};
inline constexpr unsigned long address_space_alloc = _IO(iommufd_type, 0x81);

inline constexpr std::uint32_t map_fixed_iova = 1;
inline constexpr std::uint32_t map_writeable = 2;
inline constexpr std::uint32_t map_readable = 4;

struct AddressSpaceCopy {
    std::uint32_t size;
    std::uint32_t flags;
    std::uint32_t dst_ioas_id;
    std::uint32_t src_ioas_id;
    std::uint64_t length;
    std::uint64_t dst_iova;
    std::uint64_t src_iova;
};
inline constexpr unsigned long address_space_copy = _IO(iommufd_type, 0x83);

struct AddressSpaceMap {
    std::uint32_t size;
    std::uint32_t flags;
    std::uint32_t ioas_id;
    std::uint32_t reserved;
    std::uint64_t user_va;
    std::uint64_t length;
    std::uint64_t iova;
};
inline constexpr unsigned long address_space_map = _IO(iommufd_type, 0x85);

struct AddressSpaceUnmap {
    std::uint32_t size;
    std::uint32_t ioas_id;
    std::uint64_t iova;
    std::uint64_t length;
};
inline constexpr unsigned long address_space_unmap = _IO(iommufd_type, 0x86);

struct Option {
    std::uint32_t size;
    std::uint32_t option_id;
    std::uint16_t op; /* 0: set */
    std::uint16_t reserved;
    std::uint32_t object_id;
    std::uint64_t val64;
};
inline constexpr std::uint32_t option_huge_pages = 1;
inline constexpr unsigned long option = _IO(iommufd_type, 0x87);

/* Since 6.6 */
struct DomainAlloc {
    std::uint32_t size;
    std::uint32_t flags;
    std::uint32_t dev_id;
    std::uint32_t pt_id;
    std::uint32_t out_hwpt_id;
    std::uint32_t reserved;
    std::uint32_t data_type;
    std::uint32_t data_len;
    std::uint64_t data_uptr;
    std::uint32_t fault_id;
    std::uint32_t reserved2;
};
inline constexpr unsigned long domain_alloc = _IO(iommufd_type, 0x89);

/* Since 6.13 */
struct AddressSpaceMapFile {
    std::uint32_t size;
    std::uint32_t flags;
    std::uint32_t ioas_id;
    std::int32_t fd;
    std::uint64_t start;
    std::uint64_t length;
    std::uint64_t iova;
};
inline constexpr unsigned long address_space_map_file = _IO(iommufd_type, 0x8f);

/* Since 7.3, for devices without IOMMU */
struct AddressSpaceGetPhysical {
    std::uint32_t size;
    std::uint32_t flags;
    std::uint32_t ioas_id;
    std::uint32_t reserved;
    std::uint64_t iova;
    std::uint64_t length;
    std::uint64_t out_phys;
};
inline constexpr unsigned long address_space_get_physical = _IO(iommufd_type, 0x95);

} // namespace testexp::uapi
