// SPDX-License-Identifier: GPL-2.0
#include "address_space.hpp"

#include <cerrno>

#include <fcntl.h>

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

Status attach_to(int device, std::uint32_t id) {
    uapi::AttachAddressSpace argument{.argsz = sizeof(argument), .flags = 0, .pt_id = id};

    return call(device, uapi::attach_address_space, argument, "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
}

std::uint32_t flags_of(Access access) {
    switch (access) {
    case Access::read:
        return uapi::map_readable;
    case Access::write:
        return uapi::map_writeable;
    default:
        return uapi::map_readable | uapi::map_writeable;
    }
}

} // namespace

Result<Fd> open_iommufd(const std::filesystem::path& node) {
    Fd fd(open(node.c_str(), O_RDWR | O_CLOEXEC));

    if (!fd && (errno == ENOENT || errno == ENODEV))
        return Error{EOPNOTSUPP, node.string() + ", which needs CONFIG_IOMMUFD; modprobe iommufd"};
    if (!fd)
        return errno_error("open " + node.string());
    return fd;
}

Result<AddressSpace> AddressSpace::make(int iommufd) {
    const auto made = ask(iommufd, uapi::address_space_alloc, sized<uapi::AddressSpaceAlloc>(),
                          "IOMMU_IOAS_ALLOC");

    if (!made)
        return made.error();
    return AddressSpace(iommufd, made.value().out_ioas_id);
}

AddressSpace::~AddressSpace() {
    if (id_ != 0)
        destroy(iommufd_, id_);
}

Status AddressSpace::disable_large_pages() const {
    auto argument = sized<uapi::Option>();

    argument.option_id = uapi::option_huge_pages;
    argument.object_id = id_;
    argument.val64 = 0;
    return call(iommufd_, uapi::option, argument, "IOMMU_OPTION");
}

Result<std::uint64_t> AddressSpace::map(const MapRequest& request) const {
    auto argument = sized<uapi::AddressSpaceMapFile>();

    argument.flags = flags_of(request.access) | (request.iova ? uapi::map_fixed_iova : 0);
    argument.ioas_id = id_;
    argument.fd = request.file;
    argument.start = request.start_bytes;
    argument.length = request.length_bytes;
    argument.iova = request.iova.value_or(0);

    const auto mapped =
        ask(iommufd_, uapi::address_space_map_file, argument, "IOMMU_IOAS_MAP_FILE");

    if (!mapped)
        return mapped.error();
    return mapped.value().iova;
}

Status AddressSpace::map_memory(std::span<const std::byte> memory, std::uint64_t iova,
                                Access access) const {
    auto argument = sized<uapi::AddressSpaceMap>();

    argument.flags = flags_of(access) | uapi::map_fixed_iova;
    argument.ioas_id = id_;
    argument.user_va = reinterpret_cast<std::uintptr_t>(memory.data());
    argument.length = memory.size();
    argument.iova = iova;
    return call(iommufd_, uapi::address_space_map, argument, "IOMMU_IOAS_MAP");
}

Result<std::uint64_t> AddressSpace::unmap(std::uint64_t iova, std::uint64_t bytes) const {
    auto argument = sized<uapi::AddressSpaceUnmap>();

    argument.ioas_id = id_;
    argument.iova = iova;
    argument.length = bytes;

    const auto unmapped = ask(iommufd_, uapi::address_space_unmap, argument, "IOMMU_IOAS_UNMAP");

    if (!unmapped)
        return unmapped.error();
    return unmapped.value().length;
}

Result<std::uint64_t> AddressSpace::unmap_all() const {
    return unmap(0, UINT64_MAX);
}

Result<std::uint64_t> AddressSpace::copy(const AddressSpace& from, std::uint64_t source,
                                         std::uint64_t bytes,
                                         std::optional<std::uint64_t> iova) const {
    auto argument = sized<uapi::AddressSpaceCopy>();

    argument.flags = uapi::map_readable | uapi::map_writeable | (iova ? uapi::map_fixed_iova : 0);
    argument.dst_ioas_id = id_;
    argument.src_ioas_id = from.id_;
    argument.length = bytes;
    argument.dst_iova = iova.value_or(0);
    argument.src_iova = source;

    const auto copied = ask(iommufd_, uapi::address_space_copy, argument, "IOMMU_IOAS_COPY");

    if (!copied)
        return copied.error();
    return copied.value().dst_iova;
}

/* The kernel tells the length of each physically contiguous run. */
Result<std::vector<std::uint64_t>> AddressSpace::pfns_at(std::uint64_t iova,
                                                         std::uint64_t bytes) const {
    std::vector<std::uint64_t> pfns;

    while (pfns.size() < bytes / page_bytes()) {
        auto request = sized<uapi::AddressSpaceGetPhysical>();

        request.ioas_id = id_;
        request.iova = iova + pfns.size() * page_bytes();
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

Result<Domain> Domain::make(int iommufd, std::uint32_t device, const AddressSpace& space) {
    auto argument = sized<uapi::DomainAlloc>();

    argument.dev_id = device;
    argument.pt_id = space.id();

    const auto made = ask(iommufd, uapi::domain_alloc, argument, "IOMMU_HWPT_ALLOC");

    if (!made)
        return made.error();
    return Domain(iommufd, made.value().out_hwpt_id);
}

Domain::~Domain() {
    if (id_ != 0)
        destroy(iommufd_, id_);
}

Result<Attached> Attached::attach(int device, std::uint32_t id) {
    const Status done = attach_to(device, id);

    if (!done)
        return done.error();
    return Attached(device);
}

Status Attached::change_to(std::uint32_t id) const {
    return attach_to(device_, id);
}

Attached::~Attached() {
    if (device_ < 0)
        return;

    uapi::DetachAddressSpace argument{.argsz = sizeof(argument), .flags = 0};

    (void)ioctl(device_, uapi::detach_address_space, &argument);
}

} // namespace testexp
