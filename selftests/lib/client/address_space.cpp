// SPDX-License-Identifier: GPL-2.0
#include "address_space.hpp"

#include "call.hpp"
#include "layout.hpp"
#include "vfio_uapi.hpp"

namespace testexp {

namespace {

void destroy(int iommufd, std::uint32_t id) {
    auto request = sized<uapi::DestroyObject>();

    request.id = id;
    (void)ioctl(iommufd, uapi::destroy_object, &request);
}

} // namespace

Result<AddressSpace> AddressSpace::make(int iommufd, int device) {
    const auto made = ask(iommufd, uapi::address_space_alloc, sized<uapi::AddressSpaceAlloc>(),
                          "IOMMU_IOAS_ALLOC");

    if (!made)
        return made.error();

    uapi::AttachAddressSpace attach{
        .argsz = sizeof(attach), .flags = 0, .pt_id = made.value().out_ioas_id};
    const Status attached =
        call(device, uapi::attach_address_space, attach, "VFIO_DEVICE_ATTACH_IOMMUFD_PT");

    if (!attached) {
        destroy(iommufd, made.value().out_ioas_id);
        return attached.error();
    }
    return AddressSpace(iommufd, device, made.value().out_ioas_id);
}

AddressSpace::~AddressSpace() {
    if (device_ < 0)
        return;

    uapi::DetachAddressSpace detach{.argsz = sizeof(detach), .flags = 0};

    (void)ioctl(device_, uapi::detach_address_space, &detach);
    destroy(iommufd_, id_);
}

Result<std::uint64_t> AddressSpace::map(int buffer, std::uint64_t bytes) const {
    auto request = sized<uapi::AddressSpaceMapFile>();

    request.flags = uapi::map_readable | uapi::map_writeable;
    request.ioas_id = id_;
    request.fd = buffer;
    request.length = bytes;

    const auto mapped = ask(iommufd_, uapi::address_space_map_file, request, "IOMMU_IOAS_MAP_FILE");

    if (!mapped)
        return mapped.error();
    return mapped.value().iova;
}

/* The kernel tells the length of each physically contiguous run. */
Result<std::vector<std::uint64_t>> AddressSpace::pfns_at(std::uint64_t address,
                                                         std::uint64_t bytes) const {
    std::vector<std::uint64_t> pfns;

    while (pfns.size() < bytes / page_bytes()) {
        auto request = sized<uapi::AddressSpaceGetPhysical>();

        request.ioas_id = id_;
        request.iova = address + pfns.size() * page_bytes();
        request.length = bytes - pfns.size() * page_bytes();

        const auto run =
            ask(iommufd_, uapi::address_space_get_physical, request, "IOMMU_IOAS_NOIOMMU_GET_PA");

        if (!run)
            return run.error();
        if (run.value().length < page_bytes())
            return Error{EIO, "IOMMU_IOAS_NOIOMMU_GET_PA returned less than a page"};
        for (std::uint64_t at = 0; at < run.value().length; at += page_bytes())
            pfns.push_back((run.value().out_phys + at) / page_bytes());
    }
    return pfns;
}

} // namespace testexp
