// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: IOMMUFD maps the dma-bufs of any exporter that has get_pfn, and the page table of the
 * IOMMU then has exactly what get_pfn and the attributes allow: each page has its PFN, entries are
 * as large as PFN and IOVA permit, no entry reaches over a border, and nothing else is mapped. A
 * domain that IOMMUFD fills later has the same (P23).
 *
 * Method: debugfs shows the whole page table of an Intel IOMMU. The reference values do not come
 * from get_pfn (reference_buffers.hpp, fixture.hpp). iommu_leaves.hpp computes the entries by brute
 * force. Where the entries cannot tell (type and cache mode), the arguments of iommu_map() are
 * traced. QEMU's device edu copies signatures by DMA. Without an IOMMU, IOMMU_IOAS_NOIOMMU_GET_PA
 * tells the PFNs.
 *
 * Does not see: what other IOMMUs do with type and cache mode; an IOMMU without entries of 1 GiB;
 * revokes during DMA; bad input (importer_errors).
 */
#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dma_device.hpp"
#include "fixture.hpp"
#include "iommufd_importer.hpp"
#include "kernel_exporters.hpp"
#include "kernel_lookup.hpp"
#include "map_trace.hpp"
#include "reference_buffers.hpp"
#include "value_or_skip.hpp"

using namespace testexp;

namespace {

/* A multiple of 1 GiB, far from the addresses that the kernel chooses. */
constexpr std::uint64_t base = std::uint64_t{1} << 36;
constexpr std::uint64_t pages_of_1g = std::uint64_t{1} << 18;
constexpr std::uint64_t pages_of_2m = std::uint64_t{1} << 9;

std::uint64_t bytes_of(std::uint64_t nr_pages) {
    return nr_pages * page_bytes();
}

/* --- buffers -------------------------------------------------------------- */

/* A buffer whose pages are known. Everything else is what the buffer depends on. */
struct Known {
    std::shared_ptr<void> keeper;
    Fd fd;
    std::vector<Page> pages;
    std::function<Mapping()> map; /* for the processor; none where there is no memory */

    std::uint64_t bytes() const { return bytes_of(pages.size()); }
};

/* How a case makes its buffer. @edu: VFIO devices are opened beside this device. */
struct Maker {
    std::string name;
    std::function<Known(const EduBehindIommu& edu)> make;
};

Known known(ReferenceBuffer buffer) {
    auto keeper = std::make_shared<ReferenceBuffer>(std::move(buffer));
    Fd fd(dup(keeper->fd.get()));
    const int number = keeper->fd.get();
    const std::uint64_t nr_pages = keeper->pages.size();
    std::vector<Page> pages = keeper->pages;

    return {std::move(keeper), std::move(fd), std::move(pages),
            [=] { return Mapping::map(number, nr_pages).value(); }};
}

/* A VFIO device beside edu. */
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
Known make_ranges_of_edu(const EduBehindIommu& edu, const std::vector<Piece>& pieces) {
    const auto ranges = vfio_ranges(pieces);

    return {.keeper = {},
            .fd = value_or_skip(edu.device().export_dma_buf(0, ranges)),
            .pages = pages_of_bar(edu.bar(), pieces),
            .map = {}};
}

/* Ranges of a BAR of RAM. */
Known make_ranges_of_ivshmem(const std::shared_ptr<OtherDevice>& other,
                             const std::vector<Piece>& pieces) {
    constexpr std::uint32_t region = 2;
    const auto ranges = vfio_ranges(pieces);
    Fd fd = value_or_skip(other->device.export_dma_buf(region, ranges));
    const VfioDevice* device = &other->device;

    return {.keeper = other,
            .fd = std::move(fd),
            .pages = pages_of_bar(other->binding.bar(region), pieces),
            .map = [=] {
                const auto in_file = pieces_in_file(*device, region, pieces);

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

struct NamedLayout {
    const char* name;
    Layout layout;
    std::uint32_t flags = 0;
};

/* All pages have a PFN. */
std::vector<NamedLayout> layouts() {
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
    };
}

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

Known make_layout(const NamedLayout& wanted) {
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

Maker maker_of(const NamedLayout& wanted) {
    return {std::string("exporter=testexp,layout=") + wanted.name,
            [=](const EduBehindIommu&) { return make_layout(wanted); }};
}

Maker maker_of(const UdmabufList& list) {
    return {std::string("exporter=udmabuf,list=") + list.name, [=](const EduBehindIommu&) {
                REQUIRE(udmabuf.has_get_pfn(), "udmabuf has no get_pfn in this kernel");
                return known(make_udmabuf_list(list));
            }};
}

Maker maker_of_heap(std::uint64_t nr_pages) {
    return {"exporter=system_heap,pages=" + std::to_string(nr_pages), [=](const EduBehindIommu&) {
                REQUIRE(system_heap.has_get_pfn(), "the heap has no get_pfn in this kernel");
                return known(make_system_heap(nr_pages));
            }};
}

std::vector<Maker> makers() {
    std::vector<Maker> all;

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
    for (const std::uint64_t nr_pages : {1, 17, 256 * 3 + 16 * 5 + 3, 2048})
        all.push_back(maker_of_heap(nr_pages));
    for (const NamedLayout& wanted : layouts())
        all.push_back(maker_of(wanted));
    return all;
}

/* --- the page table ------------------------------------------------------- */

/* An address space of edu, and a domain that the IOMMU uses. */
struct Importing : RequiredImporter {
    EduBehindIommu edu;
    AddressSpace space = AddressSpace::make(edu.iommufd()).value();
    Attached attached = Attached::attach(edu.device().fd(), space.id()).value();
};

/*
 * Where a device finds the buffer: at a multiple of 1 GiB, a page behind, where the first PFN has
 * the same alignment, and where the kernel wants.
 */
std::vector<std::optional<std::uint64_t>> places(const Known& buffer) {
    return {base, base + page_bytes(), base + bytes_of(buffer.pages[0].pfn % pages_of_1g),
            std::nullopt};
}

void expect_mapped(const Importing& importing, const Known& buffer, std::uint64_t iova,
                   Access access = Access::read_write) {
    importing.edu.expect_table(expected_leaves(iova, buffer.pages, access),
                               "mapped at " + std::to_string(iova >> 12) + " pages");
}

/* The callbacks of the test exporter are balanced as long as nothing is mapped. */
void expect_nothing_held(const Known& buffer) {
    const auto stats = device().stats(buffer.fd.get());

    if (stats.code() == EINVAL)
        return; /* a buffer of another exporter */
    ksft::expect_eq(stats.value().attaches, stats.value().detaches, "attachments that are left");
    ksft::expect_eq(stats.value().pins, stats.value().unpins, "pins that are left");
    ksft::expect_eq(stats.value().lock_violations, 0, "callbacks without the reservation lock");
}

void table_is_exact(const Maker& maker) {
    const Importing importing;
    const Known buffer = maker.make(importing.edu);

    importing.edu.expect_table({}, "at the beginning");
    for (const auto& place : places(buffer)) {
        const std::uint64_t iova =
            importing.space
                .map({.file = buffer.fd.get(), .length_bytes = buffer.bytes(), .iova = place})
                .value();

        expect_mapped(importing, buffer, iova);
        ksft::expect_eq(importing.space.unmap(iova, buffer.bytes()).value(), buffer.bytes(),
                        "bytes unmapped");
        importing.edu.expect_table({}, "after unmap");
    }
    expect_nothing_held(buffer);
}

void access_is_as_asked() {
    const Importing importing;
    const Known buffer = make_layout({"", Layout{}.ram(3).ram(513, {.align_order = 9})});

    for (const Access access : {Access::read, Access::write, Access::read_write}) {
        (void)importing.space
            .map({.file = buffer.fd.get(),
                  .length_bytes = buffer.bytes(),
                  .iova = base,
                  .access = access})
            .value();
        expect_mapped(importing, buffer, base, access);
        (void)importing.space.unmap_all().value();
    }
}

/* --- type and cache mode, and domains that are filled later --------------- */

/* What iommu_map() must be told about a page. */
std::uint64_t prot_of(const Page& page) {
    return (page.type == TESTEXP_EXTENT_MMIO ? prot_mmio : 0) |
           (page.cache == TESTEXP_CACHE_WB ? prot_cache : 0);
}

std::string text_of(std::uint64_t prot) {
    return std::string(prot & prot_mmio ? "MMIO" : "RAM") +
           (prot & prot_cache ? ", write-back" : ", not write-back");
}

/* Each page is mapped once, to its PFN, and as what it is. @calls: those of one domain. */
void expect_calls(const std::vector<MapCall>& calls, const Known& buffer, std::uint64_t iova,
                  const std::string& when) {
    std::vector<int> times(buffer.pages.size());

    for (const MapCall& call : calls)
        for (std::uint64_t at = 0; at < call.bytes; at += page_bytes()) {
            const std::uint64_t pgoff = (call.iova + at - iova) / page_bytes();
            const std::string what = when + ", page " + std::to_string(pgoff);

            if (!ksft::expect(pgoff < buffer.pages.size(), what + " is in the buffer"))
                return;
            times[pgoff]++;
            ksft::expect_eq((call.physical + at) / page_bytes(), buffer.pages[pgoff].pfn,
                            what + ": PFN");
            ksft::expect_eq(text_of(call.prot), text_of(prot_of(buffer.pages[pgoff])), what);
        }
    ksft::expect(std::ranges::all_of(times, [](int number) { return number == 1; }),
                 when + ": each page is mapped once");
}

std::map<std::uint64_t, std::vector<MapCall>> by_domain(const std::vector<MapCall>& calls) {
    std::map<std::uint64_t, std::vector<MapCall>> domains;

    for (const MapCall& call : calls)
        domains[call.domain].push_back(call);
    return domains;
}

void expect_in_domains(const MapTrace& trace, std::size_t number, const Known& buffer,
                       const std::string& when) {
    const auto domains = by_domain(trace.calls());

    ksft::expect_eq(domains.size(), number, when + ": domains that were filled");
    for (const auto& [domain, calls] : domains)
        expect_calls(calls, buffer, base, when);
}

void kinds_are_told(const Maker& maker) {
    const Importing importing;
    const Known buffer = maker.make(importing.edu);
    const MapTrace trace;

    (void)importing.space
        .map({.file = buffer.fd.get(), .length_bytes = buffer.bytes(), .iova = base})
        .value();
    expect_in_domains(trace, 1, buffer, "first domain");
}

/* The first domain goes while the second has the pages, and a third comes. */
void later_domains(const Maker& maker) {
    const Importing importing;
    const Known buffer = maker.make(importing.edu);
    const auto make_domain = [&] {
        return Domain::make(importing.edu.iommufd(), importing.edu.device().id_in_iommufd(),
                            importing.space)
            .value();
    };

    (void)importing.space
        .map({.file = buffer.fd.get(), .length_bytes = buffer.bytes(), .iova = base})
        .value();
    expect_mapped(importing, buffer, base);

    const MapTrace trace;
    const Domain second = make_domain();

    expect_in_domains(trace, 1, buffer, "second domain");
    /* The first domain ends with its last device. */
    (void)importing.attached.change_to(second.id()).value();
    expect_mapped(importing, buffer, base);

    const Domain third = make_domain();

    expect_in_domains(trace, 2, buffer, "third domain");
    (void)importing.attached.change_to(third.id()).value();
    expect_mapped(importing, buffer, base);
    (void)importing.space.unmap_all().value();
    importing.edu.expect_table({}, "after unmap");
    (void)importing.attached.change_to(second.id()).value();
    importing.edu.expect_table({}, "after unmap, second domain");
    expect_nothing_held(buffer);
}

/* --- parts of a buffer ---------------------------------------------------- */

/* Blocks, single pages and short runs. */
const NamedLayout many_kinds = {"many_kinds",
                                Layout{}
                                    .ram(3)
                                    .ram(pages_of_2m, {.align_order = 9, .skew = 3})
                                    .ram(1, {.repeat = 5})
                                    .ram(900, {.align_order = 9}),
                                TESTEXP_CREATE_SCATTER};

std::vector<IommuLeaf> leaves_of_part(const Known& buffer, std::uint64_t first, std::uint64_t count,
                                      std::uint64_t iova) {
    return expected_leaves(iova, std::span(buffer.pages).subspan(first, count));
}

void append(std::vector<IommuLeaf>& leaves, std::vector<IommuLeaf> more) {
    leaves.insert(leaves.end(), more.begin(), more.end());
}

std::uint64_t map_part(const AddressSpace& space, const Known& buffer, std::uint64_t first,
                       std::uint64_t count, std::uint64_t iova) {
    return space
        .map({.file = buffer.fd.get(),
              .length_bytes = bytes_of(count),
              .start_bytes = bytes_of(first),
              .iova = iova})
        .value();
}

void parts_are_exact() {
    const Importing importing;
    const Known buffer = make_layout(many_kinds);
    const std::uint64_t last = buffer.pages.size() - 1;
    const std::pair<std::uint64_t, std::uint64_t> parts[] = {
        {0, 1}, {last, 1}, {2, 2}, {3, pages_of_2m}, {100, 700}, {1, last}, {0, last}, {513, 9},
    };

    for (const auto& [first, count] : parts)
        for (const std::uint64_t iova : {base, base + bytes_of(first)}) {
            (void)map_part(importing.space, buffer, first, count, iova);
            importing.edu.expect_table(leaves_of_part(buffer, first, count, iova),
                                       "pages " + std::to_string(first) + "+" +
                                           std::to_string(count));
            (void)importing.space.unmap_all().value();
        }
    expect_nothing_held(buffer);
}

/* Each page has an area of its own. */
void page_by_page() {
    const Importing importing;
    const Known buffer = make_layout({"", Layout{}.ram(64, {.align_order = 9}).ram(3)});
    std::vector<IommuLeaf> all;

    for (std::uint64_t page = 0; page < buffer.pages.size(); page++) {
        const std::uint64_t iova = base + bytes_of(page);

        (void)map_part(importing.space, buffer, page, 1, iova);
        append(all, leaves_of_part(buffer, page, 1, iova));
    }
    importing.edu.expect_table(all, "page by page");

    /* One page goes; its neighbours stay. */
    ksft::expect_eq(importing.space.unmap(base + bytes_of(7), page_bytes()).value(), page_bytes(),
                    "bytes unmapped");
    all.erase(all.begin() + 7);
    importing.edu.expect_table(all, "without page 7");
    ksft::expect_eq(importing.space.unmap_all().value(), buffer.bytes() - page_bytes(),
                    "bytes unmapped");
    importing.edu.expect_table({}, "after unmap");
    expect_nothing_held(buffer);
}

/* A part of an area cannot be unmapped, and stays as it is. Areas that are whole can. */
void areas_are_not_split() {
    const Importing importing;
    const Known buffer = make_layout(many_kinds);
    const std::uint64_t bytes = buffer.bytes();
    const std::pair<std::uint64_t, std::uint64_t> wrong[] = {
        {base + page_bytes(), page_bytes()},
        {base, page_bytes()},
        {base + bytes - page_bytes(), page_bytes()},
        {base, bytes - page_bytes()},
        {base + page_bytes(), bytes},
        {base - page_bytes(), bytes},
    };

    (void)map_part(importing.space, buffer, 0, buffer.pages.size(), base);
    for (const auto& [iova, length] : wrong)
        ksft::expect_eq(importing.space.unmap(iova, length).code(), ENOENT,
                        "unmap of a part of an area");
    expect_mapped(importing, buffer, base);
    ksft::expect_eq(importing.space.unmap(base - page_bytes(), bytes + 2 * page_bytes()).value(),
                    bytes, "bytes unmapped by a larger range");
    importing.edu.expect_table({}, "after unmap");
    expect_nothing_held(buffer);
}

void two_areas_of_one_buffer() {
    const Importing importing;
    const Known buffer = make_layout(many_kinds);
    const std::uint64_t there = base + 4 * bytes_of(pages_of_1g);
    std::vector<IommuLeaf> both = leaves_of_part(buffer, 0, 600, base);

    append(both, leaves_of_part(buffer, 400, 700, there));
    (void)map_part(importing.space, buffer, 0, 600, base);
    (void)map_part(importing.space, buffer, 400, 700, there);
    importing.edu.expect_table(both, "two areas");
    (void)importing.space.unmap(base, bytes_of(600)).value();
    importing.edu.expect_table(leaves_of_part(buffer, 400, 700, there), "the second area");
    (void)importing.space.unmap_all().value();
    expect_nothing_held(buffer);
}

/* Two address spaces have the buffer. Each has pages of its own, so one can go. */
void two_address_spaces() {
    const Importing importing;
    const Known buffer = make_layout(many_kinds);

    (void)map_part(importing.space, buffer, 0, buffer.pages.size(), base);
    {
        const AddressSpace other = AddressSpace::make(importing.edu.iommufd()).value();

        (void)map_part(other, buffer, 0, buffer.pages.size(), base + page_bytes());
        (void)importing.attached.change_to(other.id()).value();
        expect_mapped(importing, buffer, base + page_bytes());
        (void)importing.attached.change_to(importing.space.id()).value();
    }
    expect_mapped(importing, buffer, base);
    (void)importing.space.unmap_all().value();
    expect_nothing_held(buffer);
}

/* IOMMU_IOAS_COPY: the other address space shares the pages, and fills a domain from them. */
void copied_to_another_address_space(const Maker& maker) {
    const Importing importing;
    const Known buffer = maker.make(importing.edu);
    const AddressSpace other = AddressSpace::make(importing.edu.iommufd()).value();

    (void)map_part(importing.space, buffer, 0, buffer.pages.size(), base);
    (void)other.copy(importing.space, base, buffer.bytes(), base).value();
    ksft::expect_eq(importing.space.unmap_all().value(), buffer.bytes(), "bytes unmapped");

    const MapTrace trace;

    (void)importing.attached.change_to(other.id()).value();
    expect_mapped(importing, buffer, base);
    expect_in_domains(trace, 1, buffer, "domain of the copy");
    ksft::expect_eq(other.unmap_all().value(), buffer.bytes(), "bytes unmapped");
    importing.edu.expect_table({}, "after unmap");
    expect_nothing_held(buffer);
}

/* A part of an area begins within a run. */
void part_is_copied() {
    const Importing importing;
    const Known buffer = make_layout(many_kinds);
    const AddressSpace other = AddressSpace::make(importing.edu.iommufd()).value();
    const std::pair<std::uint64_t, std::uint64_t> parts[] = {
        {0, 1}, {3, pages_of_2m}, {100, 700}, {515, 5}, {516, 1}, {buffer.pages.size() - 1, 1},
    };

    (void)map_part(importing.space, buffer, 0, buffer.pages.size(), base);
    (void)importing.attached.change_to(other.id()).value();
    for (const auto& [first, count] : parts) {
        (void)other.copy(importing.space, base + bytes_of(first), bytes_of(count), base).value();
        importing.edu.expect_table(leaves_of_part(buffer, first, count, base),
                                   "copy of pages " + std::to_string(first) + "+" +
                                       std::to_string(count));
        (void)other.unmap_all().value();
    }
    (void)importing.space.unmap_all().value();
    expect_nothing_held(buffer);
}

/* As many descriptors as root may have. Usual is 1024. */
void allow_many_descriptors() {
    rlimit limit{};

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void many_buffers() {
    allow_many_descriptors();

    const Importing importing;
    const std::uint64_t number = quick() || is_debug_kernel() ? 200 : 1000;
    std::vector<Known> buffers;
    std::vector<IommuLeaf> all;

    for (std::uint64_t i = 0; i < number; i++) {
        buffers.push_back(make_layout({"", Layout{}.ram(1 + i % 3)}));

        const std::uint64_t iova = base + bytes_of(4 * i);

        (void)map_part(importing.space, buffers[i], 0, buffers[i].pages.size(), iova);
        append(all, leaves_of_part(buffers[i], 0, buffers[i].pages.size(), iova));
    }
    importing.edu.expect_table(all, std::to_string(number) + " buffers");
    (void)importing.space.unmap_all().value();
    importing.edu.expect_table({}, "after unmap");
    for (const Known& buffer : buffers)
        expect_nothing_held(buffer);
}

/* --- DMA ------------------------------------------------------------------ */

/* Two pages of a memfd at addresses of their own: DMA comes from the first and goes to the second.
 */
class Scratch {
public:
    static constexpr std::uint64_t iova = std::uint64_t{1} << 30;

    explicit Scratch(const AddressSpace& space)
        : memory_(make()), mapping_(Mapping::map(memory_.get(), 2).value()) {
        (void)space.map({.file = memory_.get(), .length_bytes = 2 * page_bytes(), .iova = iova})
            .value();
    }

    std::byte* page(std::size_t number) const {
        return mapping_.bytes().data() + number * page_bytes();
    }

private:
    static Fd make() {
        Fd memory(memfd_create("scratch", MFD_CLOEXEC));

        if (ftruncate(memory.get(), static_cast<off_t>(2 * page_bytes())) < 0)
            throw std::runtime_error(errno_error("memfd").what);
        return memory;
    }

    Fd memory_;
    Mapping mapping_;
};

/* A page full of words that no other page and no other direction has. */
void sign(std::byte* page, std::uint64_t value) {
    for (std::uint64_t at = 0; at < Edu::most_bytes; at += sizeof(value)) {
        const std::uint64_t word = (value << 32) + at;

        std::memcpy(page + at, &word, sizeof(word));
    }
}

bool is_signed(const std::byte* page, std::uint64_t value) {
    for (std::uint64_t at = 0; at < Edu::most_bytes; at += sizeof(value)) {
        std::uint64_t word = 0;

        std::memcpy(&word, page + at, sizeof(word));
        if (word != (value << 32) + at)
            return false;
    }
    return true;
}

/* The first and the last page, and pages on both sides of the first borders. */
std::set<std::uint64_t> pages_to_touch(const Known& buffer) {
    const std::size_t most = quick() ? 4 : 12;
    std::set<std::uint64_t> touched = {0, buffer.pages.size() - 1};

    for (std::uint64_t page = 1; page < buffer.pages.size() && touched.size() < most; page++)
        if (buffer.pages[page].pfn != buffer.pages[page - 1].pfn + 1)
            touched.insert({page - 1, page});
    return touched;
}

void dma_goes_to_the_page(const Maker& maker) {
    const Importing importing;
    const Known buffer = maker.make(importing.edu);
    const Scratch scratch(importing.space);
    const Mapping mapping = buffer.map();
    Edu edu = Edu::make(importing.edu.device()).value();

    (void)map_part(importing.space, buffer, 0, buffer.pages.size(), base);
    for (const std::uint64_t page : pages_to_touch(buffer)) {
        const std::string what = "page " + std::to_string(page);
        std::byte* const bytes = mapping.bytes().data() + bytes_of(page);

        sign(bytes, 2 * page + 1);
        sign(scratch.page(0), 2 * page + 2);
        (void)edu.read(base + bytes_of(page)).value();
        (void)edu.write(Scratch::iova + page_bytes()).value();
        ksft::expect(is_signed(scratch.page(1), 2 * page + 1), what + ": the device reads it");
        (void)edu.read(Scratch::iova).value();
        (void)edu.write(base + bytes_of(page)).value();
        ksft::expect(is_signed(bytes, 2 * page + 2), what + ": the device writes it");
    }
}

/* --- memory that is no dma-buf -------------------------------------------- */

/* Pages of a memfd that this process maps. */
struct Memory {
    Mapping mapping;
    Known known;
};

/* The pages are taken out of order, so few neighbours in the file are neighbours in memory. */
Memory make_memory(std::uint64_t nr_pages) {
    constexpr std::uint64_t step = 2731; /* a prime, so each page has its turn */
    Fd fd(memfd_create("memory", MFD_CLOEXEC));

    if (!fd || ftruncate(fd.get(), static_cast<off_t>(bytes_of(nr_pages))) < 0)
        throw std::runtime_error(errno_error("memfd").what);

    Mapping mapping = Mapping::map(fd.get(), nr_pages).value();
    std::vector<Page> pages;

    for (std::uint64_t turn = 0; turn < nr_pages; turn++)
        mapping.bytes()[bytes_of(turn * step % nr_pages)] = std::byte{1};
    for (const std::uint64_t pfn : pfns_in_pagemap(mapping))
        pages.push_back({.pfn = pfn});
    return {std::move(mapping),
            {.keeper = {}, .fd = std::move(fd), .pages = std::move(pages), .map = {}}};
}

/* Maps the file, or else the addresses of this process. */
void map_memory(const Importing& importing, const Memory& memory, bool by_file) {
    if (by_file)
        (void)importing.space
            .map({.file = memory.known.fd.get(),
                  .length_bytes = memory.known.bytes(),
                  .iova = base,
                  .access = Access::write})
            .value();
    else
        importing.space.map_memory(memory.mapping.bytes(), base, Access::write).value();
}

/* Also in a second domain, which iommufd fills from the first. */
void kinds_of_memory(bool by_file) {
    const Importing importing;
    const Memory memory = make_memory(600);
    const MapTrace trace;

    map_memory(importing, memory, by_file);

    const Domain second = Domain::make(importing.edu.iommufd(),
                                       importing.edu.device().id_in_iommufd(), importing.space)
                              .value();

    expect_in_domains(trace, 2, memory.known, "memory");
    expect_mapped(importing, memory.known, base, Access::write);
    (void)importing.attached.change_to(second.id()).value();
    expect_mapped(importing, memory.known, base, Access::write);
    (void)importing.space.unmap_all().value();
    importing.edu.expect_table({}, "after unmap");
}

/* More pages than iommufd reads at a time. */
void much_memory(bool by_file) {
    const Importing importing;
    const Memory memory = make_memory(6000);

    map_memory(importing, memory, by_file);
    expect_mapped(importing, memory.known, base, Access::write);
    (void)importing.space.unmap_all().value();
    importing.edu.expect_table({}, "after unmap");
}

void add_memory(ksft::Plan& plan) {
    for (const bool by_file : {true, false}) {
        const std::string what = by_file ? "memory=memfd" : "memory=of_a_process";

        plan.add("P23.kinds[" + what + "]", [=] { kinds_of_memory(by_file); });
        plan.add("P23.table[" + what + "]", [=] { much_memory(by_file); });
    }
}

/* --- without an IOMMU ----------------------------------------------------- */

/* The first device that VFIO has without an IOMMU; "" for none. */
std::string find_noiommu_device() {
    std::error_code error;

    for (const auto& device : std::filesystem::directory_iterator("/sys/bus/pci/devices", error))
        for (const auto& entry :
             std::filesystem::directory_iterator(device.path() / "vfio-dev", error))
            if (entry.path().filename().string().starts_with("noiommu-"))
                return device.path().filename();
    return "";
}

VfioDevice noiommu_device() {
    require_pfn_importer();

    const std::string name = find_noiommu_device();

    REQUIRE(!name.empty(), "VFIO has no device without an IOMMU "
                           "(scripts/lib/guest/vfio-bind --noiommu)");
    return value_or_skip(VfioDevice::open(name));
}

void expect_physical(const VfioDevice& device, const Known& buffer) {
    const AddressSpace space = AddressSpace::make(device.iommufd()).value();
    const Attached attached = Attached::attach(device.fd(), space.id()).value();

    for (const auto& place : places(buffer)) {
        const std::uint64_t iova =
            space.map({.file = buffer.fd.get(), .length_bytes = buffer.bytes(), .iova = place})
                .value();
        const auto pfns = value_or_skip(space.pfns_at(iova, buffer.bytes()));

        ksft::expect_eq(pfns.size(), buffer.pages.size(), "pages with a PFN");
        for (std::uint64_t page = 0; page < std::min(pfns.size(), buffer.pages.size()); page++)
            ksft::expect_eq(pfns[page], buffer.pages[page].pfn,
                            "PFN of page " + std::to_string(page));
        (void)space.unmap(iova, buffer.bytes()).value();
        ksft::expect_eq(space.pfns_at(iova, page_bytes()).code(), ENOENT, "PFN after unmap");
    }
    expect_nothing_held(buffer);
}

Known make_ranges_without_iommu(const VfioDevice& device, const std::vector<Piece>& pieces) {
    constexpr std::uint32_t region = 2;
    const auto bar = find_bar(device.name() + "/" + std::to_string(region));

    REQUIRE(bar, "the device has no BAR 2");
    return {.keeper = {},
            .fd = value_or_skip(device.export_dma_buf(region, vfio_ranges(pieces))),
            .pages = pages_of_bar(*bar, pieces),
            .map = {}};
}

/* --- the cases ------------------------------------------------------------ */

void add_no_iommu(ksft::Plan& plan) {
    for (const BarRanges& wanted : bar_ranges())
        plan.add(std::string("P23.no_iommu[exporter=vfio,ranges=") + wanted.name + "]", [=] {
            const VfioDevice device = noiommu_device();

            expect_physical(device, make_ranges_without_iommu(device, wanted.pieces));
        });
    for (const UdmabufList& list : udmabuf_lists())
        plan.add(std::string("P23.no_iommu[exporter=udmabuf,list=") + list.name + "]", [=] {
            const VfioDevice device = noiommu_device();

            REQUIRE(udmabuf.has_get_pfn(), "udmabuf has no get_pfn in this kernel");
            expect_physical(device, known(make_udmabuf_list(list)));
        });
    plan.add("P23.no_iommu[exporter=system_heap]", [] {
        const VfioDevice device = noiommu_device();

        REQUIRE(system_heap.has_get_pfn(), "the heap has no get_pfn in this kernel");
        expect_physical(device, known(make_system_heap(851)));
    });
    for (const NamedLayout& wanted : layouts())
        if (wanted.layout.nr_pages() < pages_of_1g)
            plan.add(std::string("P23.no_iommu[exporter=testexp,layout=") + wanted.name + "]", [=] {
                const VfioDevice device = noiommu_device();

                expect_physical(device, make_layout(wanted));
            });
}

bool is_one_of(const std::string& name, std::initializer_list<const char*> wanted) {
    return std::ranges::any_of(wanted, [&](const char* end) { return name.ends_with(end); });
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    (void)has_pfn_importer(); /* and loads the drivers, once for all cases */
    for (const Maker& maker : makers()) {
        plan.add("P23.table[" + maker.name + "]", [=] { table_is_exact(maker); });
        if (is_one_of(maker.name, {"=two", "=gaps", "=mixed", "=two_cache_modes", "=uncached_ram",
                                   "=write_combining", "=shuffled", "=huge_cut", "pages=851"})) {
            plan.add("P23.kinds[" + maker.name + "]", [=] { kinds_are_told(maker); });
            plan.add("P23.later_domains[" + maker.name + "]", [=] { later_domains(maker); });
            plan.add("P23.copied[" + maker.name + "]",
                     [=] { copied_to_another_address_space(maker); });
        }
        if (is_one_of(maker.name, {"=blocks_backwards", "ranges=short", "by=group", "list=shuffled",
                                   "=huge_cut", "pages=851", "=odd_start", "=mixed"}))
            plan.add("P23.dma[" + maker.name + "]", [=] { dma_goes_to_the_page(maker); });
    }
    plan.add("P23.access", access_is_as_asked);
    plan.add("P23.parts", parts_are_exact);
    plan.add("P23.page_by_page", page_by_page);
    plan.add("P23.areas_are_not_split", areas_are_not_split);
    plan.add("P23.two_areas", two_areas_of_one_buffer);
    plan.add("P23.two_address_spaces", two_address_spaces);
    plan.add("P23.copied_part", part_is_copied);
    plan.add("P23.many_buffers", many_buffers);
    add_memory(plan);
    add_no_iommu(plan);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
