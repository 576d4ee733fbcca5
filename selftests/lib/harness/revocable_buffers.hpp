/* SPDX-License-Identifier: GPL-2.0 */
/* Buffers that can be taken away from an importer while a device accesses them. */
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "address_space.hpp"
#include "testexp.hpp"
#include "vfio_binding.hpp"
#include "vfio_device.hpp"

namespace testexp {

/* A call that takes a buffer away, and the call that brings it back. */
struct Ending {
    const char* name;
    std::function<void()> end;
    std::function<void()> come_back;
};

/* What tests and DmaStorm know of such a buffer. */
struct RevocableBuffer {
    static constexpr std::uint64_t nr_pages = 8;

    int fd;
    std::vector<Ending> endings;
    std::function<Mapping()> view; /* maps the pages; not while the buffer is away */
    std::function<Status()> move;  /* nothing for a buffer that cannot move */

    /* The whole buffer, for a mapping at this address. */
    MapRequest at(std::uint64_t iova) const;

    static std::uint64_t bytes();
};

/* The first word of a page. */
std::uint64_t& word_in(const Mapping& view, std::uint64_t page);

/* A buffer of the test exporter. A dynamic buffer can also move. */
class RevocableTestexp {
public:
    explicit RevocableTestexp(std::uint32_t flags);

    RevocableBuffer subject();
    testexp_stats stats() const;

private:
    Buffer buffer_;
    bool is_dynamic_;
    std::uint64_t nr_moves_ = 0;
};

/* A part of the BAR of ivshmem, in one range or in two ranges, of which the higher comes first. */
class RevocableBar {
public:
    explicit RevocableBar(unsigned int nr_ranges);

    RevocableBuffer subject();

    void close_device() { device_.reset(); }
    void open_device();

    /* The bit "bus master" of the PCI command register. */
    Status set_bus_master(bool on) const { return device_->set_bus_master(on); }

    /* The pages in the order of the dma-buf. */
    Mapping view() const;

private:
    VfioBinding binding_;
    std::optional<VfioDevice> device_;
    std::vector<VfioRange> ranges_;
    Fd buffer_;
};

} // namespace testexp
