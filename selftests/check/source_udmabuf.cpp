// SPDX-License-Identifier: GPL-2.0
/*
 * A udmabuf: pages of a memfd. The pagemap of the memfd's own mapping is the reference for PFNs.
 *
 *   huge      the memfd is of hugetlb
 *   shuffled  the buffer is a list of pieces of the memfd: reordered, of odd lengths, some twice.
 *             Wherever two pieces meet, no block may reach over the seam
 */
#include <algorithm>
#include <random>

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "answers.hpp"
#include "fixture.hpp"
#include "source.hpp"
#include "words.hpp"

namespace check {

using namespace testexp;

namespace {

struct Wish {
    std::uint64_t nr_pages = 0;
    bool huge = false;
    bool shuffled = false;
};

Wish parse(const std::string& argument) {
    const std::vector<std::string> words = split(argument);
    Wish wish{.nr_pages = pages_of(words[0])};

    for (std::size_t i = 1; i < words.size(); i++) {
        if (words[i] == "huge")
            wish.huge = true;
        else if (words[i] == "shuffled")
            wish.shuffled = true;
        else
            throw std::runtime_error("--udmabuf SIZE[,huge][,shuffled]: what is '" + words[i] +
                                     "'?");
    }
    return wish;
}

Fd make_memfd(const Wish& wish) {
    Fd memory(memfd_create("dmabuf-check",
                           MFD_ALLOW_SEALING | MFD_CLOEXEC | (wish.huge ? MFD_HUGETLB : 0U)));

    if (!memory && wish.huge)
        throw std::runtime_error("this kernel has no hugetlb (CONFIG_HUGETLBFS), or huge pages of "
                                 "the default size are not supported");
    if (!memory)
        throw std::runtime_error(errno_error("memfd_create").what);
    if (ftruncate(memory.get(), static_cast<off_t>(wish.nr_pages * page_bytes())) < 0)
        throw std::runtime_error(
            errno_error("the size " + size_text(wish.nr_pages) + " for a memfd").what +
            (wish.huge ? "; with huge it must be a multiple of the size of a huge page" : ""));
    if (fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) < 0)
        throw std::runtime_error(errno_error("F_SEAL_SHRINK").what);
    return memory;
}

/* Pages of the memfd, in the order of the buffer. */
using Pieces = std::vector<Window>;

/* Pieces of 1 to 700 pages in random order. A few stand in the list twice. */
Pieces shuffled_pieces(std::uint64_t nr_pages) {
    std::mt19937_64 random(seed());
    Pieces pieces;

    for (std::uint64_t at = 0; at < nr_pages;) {
        const std::uint64_t longest = random() % 3 == 0 ? 4 : 700;
        const std::uint64_t count = std::min(random() % longest + 1, nr_pages - at);

        pieces.push_back({at, count});
        at += count;
    }
    std::ranges::shuffle(pieces, random);
    for (std::size_t i = 0; i < pieces.size(); i += 8)
        pieces.push_back({pieces[i].first, std::min<std::uint64_t>(pieces[i].count, 3)});
    return pieces;
}

/* Whole huge pages in random order: udmabuf takes no parts of a huge page before Linux 6.11. */
Pieces pieces_of(const Wish& wish) {
    return wish.shuffled ? shuffled_pieces(wish.nr_pages) : Pieces{{0, wish.nr_pages}};
}

Fd open_udmabuf() {
    Fd control(open("/dev/udmabuf", O_RDWR | O_CLOEXEC));

    if (!control && errno == ENOENT)
        throw std::runtime_error("no /dev/udmabuf: the kernel needs CONFIG_UDMABUF");
    if (!control)
        throw std::runtime_error(errno_error("/dev/udmabuf").what);
    return control;
}

Fd make_buffer(const Fd& memory, const Pieces& pieces) {
    const Fd control = open_udmabuf();
    std::vector<std::byte> bytes(sizeof(udmabuf_create_list) +
                                 pieces.size() * sizeof(udmabuf_create_item));
    auto* list = reinterpret_cast<udmabuf_create_list*>(bytes.data());

    list->flags = UDMABUF_FLAGS_CLOEXEC;
    list->count = static_cast<std::uint32_t>(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); i++)
        list->list[i] = {.memfd = static_cast<std::uint32_t>(memory.get()),
                         .__pad = 0,
                         .offset = pieces[i].first * page_bytes(),
                         .size = pieces[i].count * page_bytes()};

    Fd buffer(ioctl(control.get(), UDMABUF_CREATE_LIST, list));

    if (!buffer)
        throw std::runtime_error(
            errno_error("UDMABUF_CREATE_LIST of " + std::to_string(pieces.size()) + " pieces")
                .what +
            "; the parameters size_limit_mb and list_limit of udmabuf limit a buffer");
    return buffer;
}

/* Every page must be mapped, so that the pagemap shows its PFN. */
std::vector<std::uint64_t> pfns_of(const Fd& memory, const Wish& wish) {
    Result<Mapping> mapping = Mapping::map(memory.get(), wish.nr_pages);

    if (!mapping && wish.huge)
        throw std::runtime_error("no huge pages are free: write a number to "
                                 "/proc/sys/vm/nr_hugepages");
    return pfns_in_pagemap(mapping.value());
}

Source make(const std::string& argument) {
    const Wish wish = parse(argument);
    const Fd memory = make_memfd(wish);
    const Pieces pieces = pieces_of(wish);
    std::vector<std::uint64_t> pfns;
    const std::vector<std::uint64_t> of_memory = pfns_of(memory, wish);

    for (const Window& piece : pieces)
        pfns.insert(pfns.end(), of_memory.begin() + static_cast<std::ptrdiff_t>(piece.first),
                    of_memory.begin() + static_cast<std::ptrdiff_t>(piece.first + piece.count));

    Source source;

    source.name = "udmabuf " + argument;
    source.buffer = make_buffer(memory, pieces);
    source.exporter_class = ExporterClass{};
    source.has_distinct_pages = !wish.shuffled;
    source.may_write = true;
    source.references.push_back(
        {"the pagemap of the memfd",
         [pfns = std::move(pfns)](std::uint64_t pgoff) -> std::optional<std::uint64_t> {
             return pgoff < pfns.size() ? std::optional(pfns[pgoff]) : std::nullopt;
         }});
    return source;
}

} // namespace

const SourceKind udmabuf_source = {
    "udmabuf", "SIZE[,huge][,shuffled]",
    "pages of a memfd; huge: of hugetlb; shuffled: in odd pieces, some twice", make};

} // namespace check
