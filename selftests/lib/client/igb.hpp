/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Intel's network device 82576 (igb), as QEMU has it from version 8.0 on. In loopback the device
 * copies pages by DMA from one address to another: it reads a frame, and writes the same frame.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "address_space.hpp"
#include "pci.hpp"
#include "testexp.hpp"
#include "vfio_device.hpp"

namespace testexp {

inline constexpr PciId igb_id = {0x8086, 0x10c9};

class Igb {
public:
    /* A frame of the device is one page. */
    static constexpr std::uint64_t frame_bytes = 4096;

    /*
     * A page has to look like a frame whose protocol the device does not know: the bytes from
     * type_offset on are these. IEEE 802 reserves this type for experiments.
     */
    static constexpr std::size_t type_offset = 12;
    static constexpr std::byte type[2] = {std::byte{0x88}, std::byte{0xb5}};

    /* The addresses (IOVA) of two pages. */
    struct Copy {
        std::uint64_t source;
        std::uint64_t target;
    };

    /* How many copies the device takes at a time. */
    static constexpr std::size_t most_copies = 254;

    /* How many bytes the device needs at @iova, see make(). */
    static std::uint64_t own_bytes();

    /**
     * Prepares the device. @space: the address space that the device is attached to. The object
     * maps memory of its own there, at @iova, until @space ends. @device must outlive the object.
     */
    static Result<Igb> make(const VfioDevice& device, const AddressSpace& space,
                            std::uint64_t iova);

    /**
     * Copies pages, in this order, and waits until the device has finished. Returns how many pages
     * the device could read. The device may skip a page that it cannot read. The pages behind this
     * page then move up to the targets before. So only the pages before the first skipped page are
     * sure to be at their targets. The device does not notice that it cannot write.
     */
    Result<std::uint64_t> copy(std::span<const Copy> pages);

private:
    Igb(Mapping registers, Fd memory, Mapping own, std::uint64_t iova)
        : registers_(std::move(registers)), memory_(std::move(memory)), own_(std::move(own)),
          iova_(iova) {}

    Status start();
    Status connect();
    Status use_rings();
    Status write_phy(std::uint32_t phy_register, std::uint32_t value);
    Result<std::uint64_t> wait_for_last(std::size_t nr_frames) const;
    void set(std::size_t offset, std::uint32_t value);
    std::uint32_t get(std::size_t offset) const;
    Status wait_until(std::size_t offset, std::uint32_t mask, std::uint32_t value) const;

    template <typename Descriptor> volatile Descriptor* ring(std::uint64_t page) const;

    Mapping registers_;
    Fd memory_;
    Mapping own_;
    std::uint64_t iova_; /* of own_ */
};

} // namespace testexp
