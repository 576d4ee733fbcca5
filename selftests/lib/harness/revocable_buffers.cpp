// SPDX-License-Identifier: GPL-2.0
#include "revocable_buffers.hpp"

#include "fixture.hpp"
#include "ivshmem.hpp"
#include "layout.hpp"

namespace testexp {

namespace {

constexpr std::uint64_t nr_pages = RevocableBuffer::nr_pages;

/* The pages of the test exporter's buffer: single pages, or two extents of four pages. */
Layout layout_of(std::uint64_t step) {
    return step % 2 ? Layout{}.ram(1, {.repeat = nr_pages})
                    : Layout{}.ram(nr_pages / 2, {.align_order = 2, .repeat = 2});
}

} // namespace

MapRequest RevocableBuffer::at(std::uint64_t iova) const {
    return {.file = fd, .length_bytes = bytes(), .iova = iova};
}

std::uint64_t RevocableBuffer::bytes() {
    return nr_pages * page_bytes();
}

std::uint64_t& word_in(const Mapping& view, std::uint64_t page) {
    return *reinterpret_cast<std::uint64_t*>(view.bytes().data() + page * page_bytes());
}

RevocableTestexp::RevocableTestexp(std::uint32_t flags)
    : buffer_(device()
                  .create({.layout = layout_of(0), .flags = flags | TESTEXP_CREATE_SCATTER})
                  .value()),
      is_dynamic_((flags & TESTEXP_CREATE_DYNAMIC) != 0) {
}

RevocableBuffer RevocableTestexp::subject() {
    const int fd = buffer_.fd.get();
    RevocableBuffer subject{
        fd,
        {{"REVOKE", [=] { device().revoke(fd).value(); }, [=] { device().restore(fd).value(); }}},
        [=] { return Mapping::map(fd, nr_pages).value(); },
        {}};

    if (is_dynamic_)
        subject.move = [this, fd] {
            return device().move(fd, layout_of(++nr_moves_), TESTEXP_MOVE_SCATTER);
        };
    return subject;
}

testexp_stats RevocableTestexp::stats() const {
    return device().stats(buffer_.fd.get()).value();
}

RevocableBar::RevocableBar(unsigned int nr_ranges) : binding_(ivshmem_id) {
    const std::uint64_t bytes = RevocableBuffer::bytes() / nr_ranges;

    open_device();
    for (unsigned int i = nr_ranges; i-- > 0;)
        ranges_.push_back({i * bytes, bytes});
    buffer_ = device_->export_dma_buf(ivshmem_bar, ranges_).value();
}

void RevocableBar::open_device() {
    device_.emplace(VfioDevice::open(binding_.device()).value());
}

RevocableBuffer RevocableBar::subject() {
    const auto decode = [this](bool on) { device_->set_memory_decode(on).value(); };

    REQUIRE(device_->can_reset(),
            "VFIO cannot reset the device ivshmem; put it behind a root port");
    return {buffer_.get(),
            {{"memory decode off", [=] { decode(false); }, [=] { decode(true); }},
             {"reset", [this] { device_->reset().value(); }, [=] { decode(true); }}},
            [this] { return view(); },
            {}};
}

Mapping RevocableBar::view() const {
    const std::uint64_t start = device_->region_offset(ivshmem_bar).value() / page_bytes();
    std::vector<Mapping::Piece> pieces;

    for (const VfioRange& range : ranges_)
        pieces.push_back(
            {start + range.offset_bytes / page_bytes(), range.length_bytes / page_bytes()});
    return Mapping::map_pieces(device_->fd(), pieces).value();
}

} // namespace testexp
