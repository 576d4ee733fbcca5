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
#include <optional>
#include <set>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dma_device.hpp"
#include "fixture.hpp"
#include "iommufd_importer.hpp"
#include "ivshmem.hpp"
#include "kernel_exporters.hpp"
#include "known_buffers.hpp"
#include "map_trace.hpp"
#include "value_or_skip.hpp"

using namespace testexp;

namespace {

/* A multiple of 1 GiB, far from the addresses that the kernel chooses. */
constexpr std::uint64_t base = std::uint64_t{1} << 36;

/* --- the page table ------------------------------------------------------- */

/* An address space of edu, and a domain that the IOMMU uses. */
struct Importing : RequiredImporter {
    EduBehindIommu edu;
    AddressSpace space = AddressSpace::make(edu.iommufd()).value();
    Attached attached = Attached::attach(edu.device().fd(), space.id()).value();
};

/*
 * Addresses for the buffer: a multiple of 1 GiB, the page behind, an address with the same
 * alignment as the first PFN, and an address that the kernel chooses.
 */
std::vector<std::optional<std::uint64_t>> places(const KnownBuffer& buffer) {
    return {base, base + page_bytes(), base + bytes_of(buffer.pages[0].pfn % pages_of_1g),
            std::nullopt};
}

std::vector<IommuLeaf> leaves_of_part(const KnownBuffer& buffer, std::uint64_t first,
                                      std::uint64_t count, std::uint64_t iova) {
    return expected_leaves(iova, std::span(buffer.pages).subspan(first, count));
}

void append(std::vector<IommuLeaf>& leaves, std::vector<IommuLeaf> more) {
    leaves.insert(leaves.end(), more.begin(), more.end());
}

std::uint64_t map_part(const AddressSpace& space, const KnownBuffer& buffer, std::uint64_t first,
                       std::uint64_t count, std::uint64_t iova) {
    return space
        .map({.file = buffer.fd.get(),
              .length_bytes = bytes_of(count),
              .start_bytes = bytes_of(first),
              .iova = iova})
        .value();
}

void expect_mapped(const Importing& importing, const KnownBuffer& buffer, std::uint64_t iova,
                   Access access = Access::read_write) {
    importing.edu.expect_table(expected_leaves(iova, buffer.pages, access),
                               "mapped at " + std::to_string(iova >> 12) + " pages");
}

/* As long as nothing is mapped, a buffer of the test exporter has no attachment and no pin. */
void expect_nothing_held(const KnownBuffer& buffer) {
    const auto stats = device().stats(buffer.fd.get());

    if (stats.code() == EINVAL)
        return; /* a buffer of another exporter */
    ksft::expect_eq(stats.value().attaches, stats.value().detaches, "attachments that are left");
    ksft::expect_eq(stats.value().pins, stats.value().unpins, "pins that are left");
    ksft::expect_eq(stats.value().lock_violations, 0, "callbacks without the reservation lock");
}

void table_is_exact(const BufferMaker& maker) {
    const Importing importing;
    const KnownBuffer buffer = maker.make(importing.edu);

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
    const KnownBuffer buffer = make_layout({"", Layout{}.ram(3).ram(513, {.align_order = 9})});

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

void kinds_are_told(const BufferMaker& maker) {
    const Importing importing;
    const KnownBuffer buffer = maker.make(importing.edu);
    const MapTrace trace;

    (void)importing.space
        .map({.file = buffer.fd.get(), .length_bytes = buffer.bytes(), .iova = base})
        .value();
    trace.expect_domains(1, buffer.pages, base, "first domain");
}

/* No entry has more than one page, and each page is of its kind. */
void kinds_are_told_page_by_page(const BufferMaker& maker) {
    const Importing importing;
    const KnownBuffer buffer = maker.make(importing.edu);
    std::vector<IommuLeaf> leaves;

    importing.space.disable_large_pages().value();
    for (std::uint64_t page = 0; page < buffer.pages.size(); page++)
        append(leaves, leaves_of_part(buffer, page, 1, base + bytes_of(page)));

    const MapTrace trace;

    (void)map_part(importing.space, buffer, 0, buffer.pages.size(), base);
    importing.edu.expect_table(leaves, "without large pages");
    trace.expect_domains(1, buffer.pages, base, "without large pages");
    (void)importing.space.unmap_all().value();
    importing.edu.expect_table({}, "after unmap");
    expect_nothing_held(buffer);
}

/* The first domain ends while the second domain maps the pages. Then a third domain is made. */
void later_domains(const BufferMaker& maker) {
    const Importing importing;
    const KnownBuffer buffer = maker.make(importing.edu);
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

    trace.expect_domains(1, buffer.pages, base, "second domain");
    /* The first domain ends with its last device. */
    (void)importing.attached.change_to(second.id()).value();
    expect_mapped(importing, buffer, base);

    const Domain third = make_domain();

    trace.expect_domains(2, buffer.pages, base, "third domain");
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

void parts_are_exact() {
    const Importing importing;
    const KnownBuffer buffer = make_layout(many_kinds);
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

/* A part of this buffer whose offset and PFNs need more than 32 bits. The part begins in a run. */
constexpr std::uint64_t pages_before_far_part = (std::uint64_t{1} << 20) + 1; /* 4 GiB and a page */
constexpr std::uint64_t pages_of_far_part = 600;

KnownBuffer make_far_buffer() {
    const Layout layout = Layout{}
                              .synthetic(std::uint64_t{1} << 33, pages_before_far_part + 2)
                              .synthetic((std::uint64_t{1} << 34) + 5, 700);

    return {.keeper = {},
            .fd = device().create({.layout = layout}).value().fd,
            .pages = pages_of(layout),
            .map = {}};
}

void far_part() {
    const Importing importing;
    const KnownBuffer buffer = make_far_buffer();

    (void)map_part(importing.space, buffer, pages_before_far_part, pages_of_far_part, base);
    importing.edu.expect_table(
        leaves_of_part(buffer, pages_before_far_part, pages_of_far_part, base), "far part");
    (void)importing.space.unmap_all().value();
    importing.edu.expect_table({}, "after unmap");
    expect_nothing_held(buffer);
}

/* Each page has an area of its own. */
void page_by_page() {
    const Importing importing;
    const KnownBuffer buffer = make_layout({"", Layout{}.ram(64, {.align_order = 9}).ram(3)});
    std::vector<IommuLeaf> all;

    for (std::uint64_t page = 0; page < buffer.pages.size(); page++) {
        const std::uint64_t iova = base + bytes_of(page);

        (void)map_part(importing.space, buffer, page, 1, iova);
        append(all, leaves_of_part(buffer, page, 1, iova));
    }
    importing.edu.expect_table(all, "page by page");

    /* The neighbours of a page that is unmapped stay mapped. */
    ksft::expect_eq(importing.space.unmap(base + bytes_of(7), page_bytes()).value(), page_bytes(),
                    "bytes unmapped");
    all.erase(all.begin() + 7);
    importing.edu.expect_table(all, "without page 7");
    ksft::expect_eq(importing.space.unmap_all().value(), buffer.bytes() - page_bytes(),
                    "bytes unmapped");
    importing.edu.expect_table({}, "after unmap");
    expect_nothing_held(buffer);
}

/* UNMAP refuses a part of an area, and the area stays mapped. UNMAP takes a whole area. */
void areas_are_not_split() {
    const Importing importing;
    const KnownBuffer buffer = make_layout(many_kinds);
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
    const KnownBuffer buffer = make_layout(many_kinds);
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

/*
 * Two address spaces map the buffer, each through an attachment of its own. The end of one address
 * space changes nothing for the other.
 */
void two_address_spaces() {
    const Importing importing;
    const KnownBuffer buffer = make_layout(many_kinds);

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
void copied_to_another_address_space(const BufferMaker& maker) {
    const Importing importing;
    const KnownBuffer buffer = maker.make(importing.edu);
    const AddressSpace other = AddressSpace::make(importing.edu.iommufd()).value();

    (void)map_part(importing.space, buffer, 0, buffer.pages.size(), base);
    (void)other.copy(importing.space, base, buffer.bytes(), base).value();
    ksft::expect_eq(importing.space.unmap_all().value(), buffer.bytes(), "bytes unmapped");

    const MapTrace trace;

    (void)importing.attached.change_to(other.id()).value();
    expect_mapped(importing, buffer, base);
    trace.expect_domains(1, buffer.pages, base, "domain of the copy");
    ksft::expect_eq(other.unmap_all().value(), buffer.bytes(), "bytes unmapped");
    importing.edu.expect_table({}, "after unmap");
    expect_nothing_held(buffer);
}

/* A part of an area is copied. Some parts begin within a run. */
void part_is_copied() {
    const Importing importing;
    const KnownBuffer buffer = make_layout(many_kinds);
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

/* Raises the limit of open descriptors, which is 1024 as a rule, as far as root may. */
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
    std::vector<KnownBuffer> buffers;
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
    for (const KnownBuffer& buffer : buffers)
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
std::set<std::uint64_t> pages_to_touch(const KnownBuffer& buffer) {
    const std::size_t most = quick() ? 4 : 12;
    std::set<std::uint64_t> touched = {0, buffer.pages.size() - 1};

    for (std::uint64_t page = 1; page < buffer.pages.size() && touched.size() < most; page++)
        if (buffer.pages[page].pfn != buffer.pages[page - 1].pfn + 1)
            touched.insert({page - 1, page});
    return touched;
}

void dma_goes_to_the_page(const BufferMaker& maker) {
    const Importing importing;
    const KnownBuffer buffer = maker.make(importing.edu);
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
    KnownBuffer known;
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

    trace.expect_domains(2, memory.known.pages, base, "memory");
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

void expect_pfns(const std::vector<std::uint64_t>& pfns, std::span<const Page> pages) {
    ksft::expect_eq(pfns.size(), pages.size(), "pages with a PFN");
    for (std::uint64_t page = 0; page < std::min(pfns.size(), pages.size()); page++)
        ksft::expect_eq(pfns[page], pages[page].pfn, "PFN of page " + std::to_string(page));
}

void expect_physical(const VfioDevice& device, const KnownBuffer& buffer) {
    const AddressSpace space = AddressSpace::make(device.iommufd()).value();
    const Attached attached = Attached::attach(device.fd(), space.id()).value();

    for (const auto& place : places(buffer)) {
        const std::uint64_t iova =
            space.map({.file = buffer.fd.get(), .length_bytes = buffer.bytes(), .iova = place})
                .value();
        const auto pfns = value_or_skip(space.pfns_at(iova, buffer.bytes()));

        expect_pfns(pfns, buffer.pages);
        (void)space.unmap(iova, buffer.bytes()).value();
        ksft::expect_eq(space.pfns_at(iova, page_bytes()).code(), ENOENT, "PFN after unmap");
    }
    expect_nothing_held(buffer);
}

void far_part_is_physical() {
    const VfioDevice device = noiommu_device();
    const AddressSpace space = AddressSpace::make(device.iommufd()).value();
    const Attached attached = Attached::attach(device.fd(), space.id()).value();
    const KnownBuffer buffer = make_far_buffer();

    (void)map_part(space, buffer, pages_before_far_part, pages_of_far_part, base);

    const auto pfns = value_or_skip(space.pfns_at(base, bytes_of(pages_of_far_part)));

    expect_pfns(pfns, std::span(buffer.pages).subspan(pages_before_far_part, pages_of_far_part));
    (void)space.unmap_all().value();
    expect_nothing_held(buffer);
}

/* VFIO takes contiguous memory for the ranges, and the kernel may lack this memory. */
void many_ranges_are_physical() {
    const VfioDevice device = noiommu_device();
    const std::vector<Piece> pieces(70000, Piece{0, 1});

    if (device.export_dma_buf(ivshmem_bar, vfio_ranges(pieces)).code() == ENOMEM)
        ksft::skip("this kernel has no memory for the ranges");
    expect_physical(device, make_ranges_without_iommu(device, pieces));
}

/* --- the cases ------------------------------------------------------------ */

void add_no_iommu(ksft::Plan& plan) {
    for (const BarRanges& wanted : bar_ranges())
        plan.add(std::string("P23.no_iommu[exporter=vfio,ranges=") + wanted.name + "]", [=] {
            const VfioDevice device = noiommu_device();

            expect_physical(device, make_ranges_without_iommu(device, wanted.pieces));
        });
    /* More runs than 16 bits count. */
    plan.add("P23.no_iommu[exporter=vfio,ranges=70000]", many_ranges_are_physical);
    for (const UdmabufList& list : udmabuf_lists())
        plan.add(std::string("P23.no_iommu[exporter=udmabuf,list=") + list.name + "]", [=] {
            const VfioDevice device = noiommu_device();

            REQUIRE(udmabuf.has_get_pfn(), "udmabuf has no get_pfn in this kernel");
            expect_physical(device, known_buffer(make_udmabuf_list(list)));
        });
    plan.add("P23.no_iommu[part=far]", far_part_is_physical);
    plan.add("P23.no_iommu[exporter=system_heap]", [] {
        const VfioDevice device = noiommu_device();

        REQUIRE(system_heap.has_get_pfn(), "the heap has no get_pfn in this kernel");
        expect_physical(device, known_buffer(make_system_heap(851)));
    });
    for (const NamedLayout& wanted : importable_layouts())
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
    (void)has_pfn_importer(); /* this also loads the drivers, once for all cases */
    for (const BufferMaker& maker : buffer_makers()) {
        plan.add("P23.table[" + maker.name + "]", [=] { table_is_exact(maker); });
        if (is_one_of(maker.name, {"=two", "=gaps", "=mixed", "=two_cache_modes", "=uncached_ram",
                                   "=write_back_mmio", "=write_combining", "=shuffled", "=huge_cut",
                                   "pages=851"})) {
            plan.add("P23.kinds[" + maker.name + "]", [=] { kinds_are_told(maker); });
            plan.add("P23.later_domains[" + maker.name + "]", [=] { later_domains(maker); });
            plan.add("P23.copied[" + maker.name + "]",
                     [=] { copied_to_another_address_space(maker); });
        }
        if (is_one_of(maker.name,
                      {"layout=mixed", "=two_cache_modes", "=uncached_ram", "=write_back_mmio"}))
            plan.add("P23.kinds[large_pages=no," + maker.name + "]",
                     [=] { kinds_are_told_page_by_page(maker); });
        if (is_one_of(maker.name, {"=blocks_backwards", "ranges=short", "by=group", "list=shuffled",
                                   "=huge_cut", "pages=851", "=odd_start", "=mixed"}))
            plan.add("P23.dma[" + maker.name + "]", [=] { dma_goes_to_the_page(maker); });
    }
    plan.add("P23.access", access_is_as_asked);
    plan.add("P23.parts", parts_are_exact);
    plan.add("P23.far_part", far_part);
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
