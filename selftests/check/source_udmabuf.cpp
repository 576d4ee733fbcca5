// SPDX-License-Identifier: GPL-2.0
/*
 * A udmabuf: pages of a memfd. The pagemap of the memfd's own mapping is the reference for PFNs.
 *
 *   huge      the memfd is of hugetlb
 *   shuffled  the buffer is a list of pieces of the memfd: reordered, of odd lengths, some twice.
 *             No block may reach over the seam where two pieces meet
 */
#include <algorithm>
#include <memory>
#include <random>

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>

#include "answers.hpp"
#include "fixture.hpp"
#include "foreign_buffer.hpp"
#include "reference_buffers.hpp"
#include "source.hpp"

namespace check {

using namespace testexp;

namespace {

/* Pages of the memfd, in the order of the buffer. */
using Pieces = std::vector<Piece>;

/*
 * After wrong_inside(), where the buffer is large enough for its pages: pieces of 1 to 700 pages in
 * random order. The first pages of a few pieces are there twice.
 */
Pieces shuffled_pieces(std::uint64_t nr_pages) {
    constexpr std::uint64_t shortest = 4, longest = 700;
    constexpr std::size_t one_in = 8; /* one of so many pieces is there twice */
    std::mt19937_64 random(seed());
    Pieces pieces;

    const std::uint64_t nr_wrong = nr_pages < wrong_inside_pages ? 0 : wrong_inside_pages;

    for (std::uint64_t at = nr_wrong; at < nr_pages; at += pieces.back().count) {
        const std::uint64_t most = random() % 3 == 0 ? shortest : longest;

        pieces.push_back({at, std::min(random() % most + 1, nr_pages - at)});
    }
    std::ranges::shuffle(pieces, random);

    const std::size_t count = pieces.size();

    for (std::size_t i = 0; i < count; i += one_in)
        pieces.push_back({pieces[i].first, std::min(pieces[i].count, shortest)});
    if (nr_wrong) {
        const Pieces wrong = wrong_inside();

        pieces.insert(pieces.begin(), wrong.begin(), wrong.end());
    }
    return pieces;
}

udmabuf_create_item item_of(const Fd& memory, const Piece& piece) {
    return {.memfd = static_cast<std::uint32_t>(memory.get()),
            .__pad = 0,
            .offset = piece.first * page_bytes(),
            .size = piece.count * page_bytes()};
}

Fd create_list(std::span<const udmabuf_create_item> items) {
    const Fd control(open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
    std::vector<std::byte> bytes(sizeof(udmabuf_create_list) + items.size_bytes());
    auto* list = reinterpret_cast<udmabuf_create_list*>(bytes.data());

    list->flags = UDMABUF_FLAGS_CLOEXEC;
    list->count = static_cast<std::uint32_t>(items.size());
    std::ranges::copy(items, list->list);
    return Fd(ioctl(control.get(), UDMABUF_CREATE_LIST, list));
}

/* A udmabuf of these pieces of the memfd. */
Fd make_list(const Fd& memory, const Pieces& pieces) {
    std::vector<udmabuf_create_item> items;

    for (const Piece& piece : pieces)
        items.push_back(item_of(memory, piece));

    Fd buffer = create_list(items);

    if (!buffer)
        throw std::runtime_error(
            errno_error("UDMABUF_CREATE_LIST of " + std::to_string(pieces.size()) + " pieces")
                .what +
            "; see /sys/module/udmabuf/parameters/list_limit");
    return buffer;
}

/* The PFN of each page of the buffer. */
std::vector<std::uint64_t> reference_pfns(const Fd& memory, std::uint64_t nr_pages,
                                          const Pieces& pieces) {
    const std::vector<std::uint64_t> of_memory =
        pfns_in_pagemap(Mapping::map(memory.get(), nr_pages).value());
    std::vector<std::uint64_t> pfns;

    for (const Piece& piece : pieces)
        for (std::uint64_t i = 0; i < piece.count; i++)
            pfns.push_back(of_memory.at(piece.first + i));
    return pfns;
}

Reference pagemap_of_memfd(std::vector<std::uint64_t> pfns) {
    return {"the pagemap of the memfd",
            [pfns = std::move(pfns)](std::uint64_t pgoff) -> std::optional<std::uint64_t> {
                return pgoff < pfns.size() ? std::optional(pfns[pgoff]) : std::nullopt;
            }};
}

/*
 * udmabuf pins the pages of the memfd. The kernel refuses this seal while a page is pinned. So the
 * memfd stays open until the buffer is gone and this function was called.
 */
std::function<void()> no_page_is_pinned(std::shared_ptr<const Fd> memory) {
    return [memory = std::move(memory)] {
        if (fcntl(memory->get(), F_ADD_SEALS, F_SEAL_WRITE) < 0)
            ksft::record_failure(
                errno_error("the pages of the memfd are not free again: F_SEAL_WRITE").what,
                __FILE__, __LINE__);
    };
}

/*
 * Refused at the last item, whose descriptor is no memfd. By then udmabuf has pinned the pages of
 * the item before. There is no limit of open descriptors that is as large as this number.
 */
std::function<void()> make_refused(std::uint64_t nr_pages) {
    constexpr std::uint64_t most = 16; /* pages, so that many refusals take little time */
    const std::uint64_t count = std::min(nr_pages, most);

    return [count] {
        const Fd memory = make_udmabuf_memory({count * page_bytes(), false}).value();
        udmabuf_create_item items[] = {item_of(memory, {0, count}), item_of(memory, {0, 1})};

        items[1].memfd = INT32_MAX;
        if (create_list(items))
            throw std::runtime_error("UDMABUF_CREATE_LIST takes a descriptor that is not open");
        if (errno != EBADF && errno != EBADFD) /* another error may come before the pages */
            throw std::runtime_error(errno_error("UDMABUF_CREATE_LIST").what);
    };
}

Source make(const std::string& argument, const Settings&) {
    constexpr std::string_view mark = ",shuffled";
    const bool shuffled = argument.ends_with(mark);
    const std::string plain = argument.substr(0, argument.size() - (shuffled ? mark.size() : 0));
    ForeignBuffer buffer =
        value_for("udmabuf", make_udmabuf(value_for("udmabuf", parse_udmabuf(plain))));
    const Pieces pieces =
        shuffled ? shuffled_pieces(buffer.nr_pages) : Pieces{{0, buffer.nr_pages}};
    const auto memory = std::make_shared<const Fd>(std::move(buffer.memory));
    Source source;

    source.name = "udmabuf " + argument;
    source.read_reference = [memory, pieces, nr_pages = buffer.nr_pages] {
        return pagemap_of_memfd(reference_pfns(*memory, nr_pages, pieces));
    };
    source.references.push_back(source.read_reference());
    source.buffer = shuffled ? make_list(*memory, pieces) : std::move(buffer.fd);
    source.expect_released = no_page_is_pinned(memory);
    source.exporter_class = ExporterClass{};
    source.needs_p2p = false;
    source.is_exact = true;
    source.has_distinct_pages = !shuffled;
    source.may_write = true;
    source.make_refused = make_refused(buffer.nr_pages);
    return source;
}

} // namespace

const SourceKind udmabuf_source = {
    "udmabuf", "SIZE[,huge][,shuffled]",
    "pages of a memfd; huge: of hugetlb; shuffled: in odd pieces, some twice", make, true};

} // namespace check
