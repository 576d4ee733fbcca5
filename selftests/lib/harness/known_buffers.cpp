// SPDX-License-Identifier: GPL-2.0
#include "known_buffers.hpp"

#include <algorithm>

#include <unistd.h>

#include "fixture.hpp"
#include "ivshmem.hpp"
#include "kernel_exporters.hpp"
#include "value_or_skip.hpp"

namespace testexp {

namespace {

/* A VFIO device that exports. */
struct OtherDevice {
    VfioBinding binding;
    VfioDevice device;

    OtherDevice(const EduBehindIommu& edu, const PciId& id)
        : binding(id),
          device(value_or_skip(VfioDevice::open_beside(edu.device(), binding.device()))) {}

    /* A device that iommufd does not know: it has a container of its own. */
    explicit OtherDevice(const PciId& id)
        : binding(id), device(value_or_skip(VfioDevice::open_by_group(binding.device()))) {}
};

std::vector<Mapping::Piece> pieces_in_file(const VfioDevice& device, std::uint32_t region,
                                           const std::vector<Piece>& pieces) {
    const std::uint64_t start = device.region_offset(region).value() / page_bytes();
    std::vector<Mapping::Piece> in_file;

    for (const Piece& piece : pieces)
        in_file.push_back({start + piece.first, piece.count});
    return in_file;
}

/* Ranges of the registers of edu. */
KnownBuffer make_ranges_of_edu(const EduBehindIommu& edu, const std::vector<Piece>& pieces) {
    const auto ranges = vfio_ranges(pieces);

    return {.keeper = {},
            .fd = value_or_skip(edu.device().export_dma_buf(0, ranges)),
            .pages = pages_of_bar(edu.bar(), pieces),
            .map = {}};
}

/* Ranges of a BAR of RAM. */
KnownBuffer make_ranges_of_ivshmem(const std::shared_ptr<OtherDevice>& other,
                                   const std::vector<Piece>& pieces) {
    const auto ranges = vfio_ranges(pieces);
    Fd fd = value_or_skip(other->device.export_dma_buf(ivshmem_bar, ranges));
    const VfioDevice* device = &other->device;

    return {.keeper = other,
            .fd = std::move(fd),
            .pages = pages_of_bar(other->binding.bar(ivshmem_bar), pieces),
            .map = [=] {
                const auto in_file = pieces_in_file(*device, ivshmem_bar, pieces);

                return Mapping::map_pieces(device->fd(), in_file).value();
            }};
}

/* Pages from 4 MiB on, so that the BAR of the smallest ivshmem (64 MiB) has them. */
std::vector<BarRanges> large_ranges() {
    return {
        {"64M", {{0, 32 * pages_of_2m}}},
        {"short", {{0, 3}, {4099, 1021}, {2048, 256}, {1792, 256}, {16000, 256}}},
        {"blocks_backwards",
         {{3 * pages_of_2m, pages_of_2m},
          {2 * pages_of_2m, pages_of_2m},
          {pages_of_2m, pages_of_2m},
          {0, pages_of_2m}}},
        {"gap_of_one_page", {{0, 700}, {701, 1347}}},
        {"halves_of_blocks",
         {{pages_of_2m, pages_of_2m / 2},
          {pages_of_2m + pages_of_2m / 2, pages_of_2m},
          {0, pages_of_2m}}},
    };
}

/* Two blocks in the wrong order, and pages behind a gap. */
std::vector<Piece> ranges_for_group() {
    return {{pages_of_2m, pages_of_2m}, {0, pages_of_2m}, {3 * pages_of_2m, 3}};
}

constexpr Kind write_combined{.cache = TESTEXP_CACHE_WC};
constexpr Kind uncached{.cache = TESTEXP_CACHE_UC};
constexpr Kind write_back_mmio{.cache = TESTEXP_CACHE_WB, .attributes = TESTEXP_EXTENT_AS_MMIO};

bool has(const Layout& layout, std::uint32_t type) {
    return std::ranges::any_of(layout.extents,
                               [=](const testexp_extent& extent) { return extent.type == type; });
}

void require_layout(const NamedLayout& wanted) {
    if (has(wanted.layout, TESTEXP_EXTENT_MMIO))
        (void)mmio_bar();
    if (wanted.flags & TESTEXP_CREATE_NO_MAP)
        REQUIRE(device().has(TESTEXP_FEAT_NO_MAP), "the core demands map_dma_buf");
}

BufferMaker maker_of(const NamedLayout& wanted) {
    return {std::string("exporter=testexp,layout=") + wanted.name,
            [=](const EduBehindIommu&) { return make_layout(wanted); }};
}

BufferMaker maker_of(const UdmabufList& list) {
    return {std::string("exporter=udmabuf,list=") + list.name, [=](const EduBehindIommu&) {
                REQUIRE(udmabuf.has_get_pfn(), "udmabuf has no get_pfn in this kernel");
                return known_buffer(make_udmabuf_list(list));
            }};
}

BufferMaker maker_of_heap(std::uint64_t nr_pages) {
    return {"exporter=system_heap,pages=" + std::to_string(nr_pages), [=](const EduBehindIommu&) {
                REQUIRE(system_heap.has_get_pfn(), "the heap has no get_pfn in this kernel");
                return known_buffer(make_system_heap(nr_pages));
            }};
}

} // namespace

std::vector<NamedLayout> importable_layouts() {
    constexpr std::uint32_t scatter = TESTEXP_CREATE_SCATTER;

    return {
        {"one_page", Layout{}.ram(1)},
        {"blocks", Layout{}.ram(pages_of_2m, {.align_order = 9, .repeat = 3}), scatter},
        {"odd_start", Layout{}.ram(1).ram(700, {.align_order = 9, .skew = 1}).ram(5)},
        {"backwards", Layout{}.ram(1, {.repeat = 600}), scatter},
        {"many_runs", Layout{}.ram(1, {.repeat = 6000}), scatter},
        {"large", Layout::uniform(std::uint64_t{16} << 20, 9), scatter},
        {"movable", Layout{}.ram(600, {.align_order = 9}), TESTEXP_CREATE_DYNAMIC},
        {"revocable", Layout{}.ram(600, {.align_order = 9}), TESTEXP_CREATE_REVOCABLE},
        {"without_map", Layout{}.ram(17), TESTEXP_CREATE_NO_MAP},
        {"repeated", Layout{}.ram(600, {.align_order = 9}).alias(0, 600).alias(88, 512)},
        {"mmio", Layout{}.mmio(0, 2 * pages_of_2m)},
        {"write_combining", Layout{}.mmio(3, 700, write_combined)},
        {"mixed", Layout{}.ram(3).mmio(0, 2).ram(1).mmio(2, 5).ram(513, {.align_order = 9})},
        {"two_cache_modes", Layout{}.mmio(0, 512).mmio(1024, 512, write_combined).ram(1)},
        {"1G", Layout{}.synthetic(pages_of_1g * 5, pages_of_1g + pages_of_2m + 1)},
        /* One run of PFNs, of which some pages are not write-back. */
        {"uncached_ram", Layout{}
                             .synthetic(pages_of_1g * 5, pages_of_2m)
                             .synthetic(pages_of_1g * 5 + pages_of_2m, 100, uncached)
                             .synthetic(pages_of_1g * 5 + pages_of_2m + 100, pages_of_2m)},
        /* One run of PFNs, of which some pages are MMIO and nevertheless write-back. */
        {"write_back_mmio", Layout{}
                                .synthetic(pages_of_1g * 5, pages_of_2m)
                                .synthetic(pages_of_1g * 5 + pages_of_2m, 100, write_back_mmio)
                                .synthetic(pages_of_1g * 5 + pages_of_2m + 100, pages_of_2m)},
    };
}

KnownBuffer known_buffer(ReferenceBuffer buffer) {
    auto keeper = std::make_shared<ReferenceBuffer>(std::move(buffer));
    Fd fd(dup(keeper->fd.get()));
    const int number = keeper->fd.get();
    const std::uint64_t nr_pages = keeper->pages.size();
    std::vector<Page> pages = keeper->pages;

    return {std::move(keeper), std::move(fd), std::move(pages),
            [=] { return Mapping::map(number, nr_pages).value(); }};
}

KnownBuffer make_layout(const NamedLayout& wanted) {
    require_layout(wanted);

    const bool synthetic = has(wanted.layout, TESTEXP_EXTENT_SYNTHETIC);
    auto subject =
        std::make_shared<Subject>(make_subject({.layout = wanted.layout, .flags = wanted.flags}));
    Fd fd(dup(subject->buffer.fd.get()));
    const int number = subject->buffer.fd.get();
    const std::uint64_t nr_pages = subject->buffer.nr_pages;
    std::vector<Page> pages = subject->oracle.pages();
    std::function<Mapping()> map;

    if (!synthetic)
        map = [=] { return Mapping::map(number, nr_pages).value(); };
    return {std::move(subject), std::move(fd), std::move(pages), std::move(map)};
}

KnownBuffer make_ranges_without_iommu(const VfioDevice& device, const std::vector<Piece>& pieces) {
    const auto bar = find_bar(device.name() + "/" + std::to_string(ivshmem_bar));

    REQUIRE(bar, "the device has no BAR 2");
    return {.keeper = {},
            .fd = value_or_skip(device.export_dma_buf(ivshmem_bar, vfio_ranges(pieces))),
            .pages = pages_of_bar(*bar, pieces),
            .map = {}};
}

std::vector<BufferMaker> buffer_makers() {
    std::vector<BufferMaker> all;

    for (const BarRanges& wanted : bar_ranges())
        all.push_back(
            {std::string("exporter=vfio,ranges=") + wanted.name,
             [=](const EduBehindIommu& edu) { return make_ranges_of_edu(edu, wanted.pieces); }});
    for (const BarRanges& wanted : large_ranges())
        all.push_back(
            {std::string("exporter=vfio,ranges=") + wanted.name, [=](const EduBehindIommu& edu) {
                 return make_ranges_of_ivshmem(std::make_shared<OtherDevice>(edu, ivshmem_id),
                                               wanted.pieces);
             }});
    all.push_back({"exporter=vfio,opened_by=group", [](const EduBehindIommu&) {
                       return make_ranges_of_ivshmem(std::make_shared<OtherDevice>(ivshmem_id),
                                                     ranges_for_group());
                   }});
    for (const UdmabufList& list : udmabuf_lists())
        all.push_back(maker_of(list));
    for (const std::uint64_t nr_pages : {1, 15, 17, 257, 256 * 3 + 16 * 5 + 3, 2048})
        all.push_back(maker_of_heap(nr_pages));
    for (const NamedLayout& wanted : importable_layouts())
        all.push_back(maker_of(wanted));
    return all;
}

} // namespace testexp
