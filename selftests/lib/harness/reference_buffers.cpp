// SPDX-License-Identifier: GPL-2.0
#include "reference_buffers.hpp"

#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>

#include "fixture.hpp"
#include "value_or_skip.hpp"

namespace testexp {

namespace {

constexpr std::uint64_t huge_pages = 512;

/* Reserves huge pages of 2 MiB while the object exists. */
class HugePages {
public:
    explicit HugePages(std::uint64_t count) : before_(read()) {
        write(before_ + count);
        if (read() < before_ + count) {
            write(before_);
            ksft::skip("this kernel has no " + std::to_string(count) + " huge pages of 2 MiB");
        }
    }
    ~HugePages() { write(before_); }
    HugePages(const HugePages&) = delete;
    HugePages& operator=(const HugePages&) = delete;

private:
    static constexpr const char* path = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

    static std::uint64_t read() {
        std::uint64_t count = 0;

        if (!(std::ifstream(path) >> count))
            ksft::skip("this kernel has no hugetlb");
        return count;
    }
    static void write(std::uint64_t count) { std::ofstream(path) << count; }

    std::uint64_t before_;
};

/* Pages in an order in which no page follows its neighbour. @count and 7 have no common divisor. */
std::vector<Piece> shuffled(std::uint64_t count) {
    std::vector<Piece> pieces;

    for (std::uint64_t page = 0; page < count; page++)
        pieces.push_back({page * 7 % count, 1});
    return pieces;
}

Fd make_list(int memory, const UdmabufList& list) {
    const Fd control(open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
    std::vector<std::uint64_t> words(1 + list.pieces.size() * 3);
    auto* const head = reinterpret_cast<udmabuf_create_list*>(words.data());
    auto* const items = reinterpret_cast<udmabuf_create_item*>(words.data() + 1);

    static_assert(sizeof(udmabuf_create_list) == 8 && sizeof(udmabuf_create_item) == 24);
    head->flags = UDMABUF_FLAGS_CLOEXEC;
    head->count = static_cast<std::uint32_t>(list.pieces.size());
    for (std::size_t i = 0; i < list.pieces.size(); i++)
        items[i] = {.memfd = static_cast<std::uint32_t>(memory),
                    .__pad = 0,
                    .offset = list.pieces[i].first * page_bytes(),
                    .size = list.pieces[i].count * page_bytes()};

    Fd buffer(ioctl(control.get(), UDMABUF_CREATE_LIST, head));

    if (!buffer)
        throw std::runtime_error(errno_error("UDMABUF_CREATE_LIST").what);
    return buffer;
}

std::vector<Page> pages_with(const std::vector<std::uint64_t>& pfns) {
    std::vector<Page> pages(pfns.size());

    for (std::size_t pgoff = 0; pgoff < pfns.size(); pgoff++)
        pages[pgoff].pfn = pfns[pgoff];
    return pages;
}

} // namespace

std::vector<Piece> wrong_inside() {
    return {{0, 1},    {2, 1}, {1, 1},    {3, 1}, /* a block of 4 pages */
            {4, 2},    {0, 1}, {7, 1},            /* of 4 */
            {8, 4},    {0, 1}, {13, 3},           /* of 8 */
            {16, 48},                             /* as it is */
            {64, 40},  {0, 1}, {105, 23},         /* of 64 */
            {128, 128}};                          /* as it is */
}

std::vector<UdmabufList> udmabuf_lists() {
    return {
        {"whole", 64, false, {{0, 64}}},
        {"one_page", 8, false, {{5, 1}}},
        {"middle", 64, false, {{7, 50}}},
        {"continued", 64, false, {{0, 10}, {10, 22}, {32, 32}}},
        {"reordered", 64, false, {{32, 32}, {0, 32}}},
        {"repeated", 64, false, {{0, 16}, {0, 16}, {8, 16}}},
        {"backwards", 4, false, {{3, 1}, {2, 1}, {1, 1}, {0, 1}}},
        {"shuffled", 600, false, shuffled(600)},
        {"huge", 2 * huge_pages, true, {{0, 2 * huge_pages}}},
        {"huge_middle", 2 * huge_pages, true, {{100, 900}}},
        {"huge_shifted", 2 * huge_pages, true, {{0, 1}, {0, 2 * huge_pages}}},
        {"huge_reordered", 2 * huge_pages, true, {{huge_pages, huge_pages}, {0, huge_pages}}},
        {"huge_repeated", huge_pages, true, {{0, huge_pages}, {0, huge_pages}, {256, 256}}},
        {"huge_cut", 2 * huge_pages, true, {{0, 256}, {768, 256}, {256, 512}}},
        {"huge_wrong_inside", huge_pages, true, wrong_inside()},
    };
}

ReferenceBuffer make_udmabuf_list(const UdmabufList& list) {
    (void)udmabuf_buffer(); /* skips when there is no udmabuf */

    ReferenceBuffer buffer;

    if (list.huge)
        buffer.reserved = std::make_shared<HugePages>(list.memory_pages / huge_pages);
    buffer.memory = std::move(
        value_or_skip(make_udmabuf({list.memory_pages * page_bytes(), list.huge})).memory);

    const Mapping mapping = Mapping::map(buffer.memory.get(), list.memory_pages).value();
    const std::vector<std::uint64_t> memory = pfns_in_pagemap(mapping);
    std::vector<std::uint64_t> pfns;

    for (const Piece& piece : list.pieces)
        for (std::uint64_t page = 0; page < piece.count; page++)
            pfns.push_back(memory.at(piece.first + page));
    buffer.pages = pages_with(pfns);
    buffer.fd = make_list(buffer.memory.get(), list);
    return buffer;
}

ReferenceBuffer make_system_heap(std::uint64_t nr_pages) {
    ForeignBuffer buffer = value_or_skip(make_heap({"system", nr_pages * page_bytes()}));
    const Mapping mapping = Mapping::map(buffer.fd.get(), nr_pages).value();

    return {.reserved = {},
            .memory = {},
            .fd = std::move(buffer.fd),
            .pages = pages_with(pfns_behind(mapping))};
}

std::vector<BarRanges> bar_ranges() {
    return {
        {"whole", {{0, 256}}},
        {"one_page", {{7, 1}}},
        {"middle", {{3, 250}}},
        {"continued", {{0, 3}, {3, 13}, {16, 240}}},
        {"two", {{128, 128}, {0, 64}}},
        {"repeated", {{0, 16}, {0, 16}, {8, 16}}},
        {"gaps", {{0, 1}, {2, 1}, {4, 4}, {16, 16}, {64, 32}}},
        {"backwards", {{3, 1}, {2, 1}, {1, 1}, {0, 1}}},
        {"wrong_inside", wrong_inside()},
    };
}

std::vector<VfioRange> vfio_ranges(const std::vector<Piece>& pieces) {
    std::vector<VfioRange> ranges;

    for (const Piece& piece : pieces)
        ranges.push_back({piece.first * page_bytes(), piece.count * page_bytes()});
    return ranges;
}

std::vector<Page> pages_of_bar(const PciBar& bar, const std::vector<Piece>& pieces) {
    std::vector<Page> pages;

    for (const Piece& piece : pieces)
        for (std::uint64_t page = 0; page < piece.count; page++) {
            pages.push_back(uncached_mmio);
            pages.back().pfn = bar.start / page_bytes() + piece.first + page;
        }
    return pages;
}

} // namespace testexp
