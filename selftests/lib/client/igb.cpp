// SPDX-License-Identifier: GPL-2.0
#include "igb.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layout.hpp"
#include "limits.hpp"

namespace testexp {

namespace {

/* Registers of BAR 0 (Intel 82576 datasheet, section 8). The first queue of each direction. */
constexpr std::size_t ctrl = 0x0000;
constexpr std::size_t status = 0x0008;
constexpr std::size_t ctrl_ext = 0x0018;
constexpr std::size_t mdic = 0x0020;
constexpr std::size_t rctl = 0x0100;
constexpr std::size_t tctl = 0x0400;
constexpr std::size_t imc = 0x150c;
constexpr std::size_t eimc = 0x1528;
constexpr std::size_t rlpml = 0x5004;
constexpr std::size_t gcr = 0x5b00;
constexpr std::size_t receive_queue = 0xc000;
constexpr std::size_t transmit_queue = 0xe000;

/* Registers of a queue: offsets from the queue's first register. */
constexpr std::size_t base_low = 0x00;
constexpr std::size_t base_high = 0x04;
constexpr std::size_t length = 0x08;
constexpr std::size_t srrctl = 0x0c; /* receive only */
constexpr std::size_t head = 0x10;
constexpr std::size_t tail = 0x18;
constexpr std::size_t queue_control = 0x28;

constexpr std::uint32_t queue_enable = 1U << 25;
constexpr std::uint32_t ctrl_full_duplex = 1U << 0;
constexpr std::uint32_t ctrl_link_up = 1U << 6;
constexpr std::uint32_t ctrl_speed = 3U << 8;
constexpr std::uint32_t ctrl_speed_1000 = 2U << 8;
constexpr std::uint32_t ctrl_force_speed = 1U << 11;
constexpr std::uint32_t ctrl_force_duplex = 1U << 12;
constexpr std::uint32_t ctrl_reset = 1U << 26;
constexpr std::uint32_t status_link_up = 1U << 1;
constexpr std::uint32_t ctrl_ext_driver_loaded = 1U << 28;
constexpr std::uint32_t ctrl_ext_link_mode = 3U << 22;
constexpr std::uint32_t gcr_resend = 1U << 16;
constexpr std::uint32_t mdic_register_shift = 16;
constexpr std::uint32_t mdic_first_phy = 1U << 21;
constexpr std::uint32_t mdic_write = 1U << 26;
constexpr std::uint32_t mdic_ready = 1U << 28;
constexpr std::uint32_t mdic_error = 1U << 30;
constexpr std::uint32_t rctl_enable = 1U << 1;
constexpr std::uint32_t rctl_all_unicast = 1U << 3;
constexpr std::uint32_t rctl_all_multicast = 1U << 4;
constexpr std::uint32_t rctl_long_frames = 1U << 5;
constexpr std::uint32_t rctl_mac_loopback = 1U << 6;
constexpr std::uint32_t rctl_broadcast = 1U << 15;
constexpr std::uint32_t rctl_strip_crc = 1U << 26;
constexpr std::uint32_t tctl_enable = 1U << 1;
constexpr std::uint32_t tctl_pad = 1U << 3;
constexpr std::uint32_t longest_frame = 9728;
constexpr std::uint32_t one_buffer_a_frame = 1U << 25;             /* of srrctl */
constexpr std::uint32_t buffer_of_a_page = Igb::frame_bytes >> 10; /* of srrctl, in KiB */

/* Registers of the PHY. */
constexpr std::uint32_t bmcr = 0;
constexpr std::uint32_t bmcr_speed_1000 = 1U << 6;
constexpr std::uint32_t bmcr_full_duplex = 1U << 8;
constexpr std::uint32_t bmcr_restart = 1U << 9;
constexpr std::uint32_t bmcr_negotiate = 1U << 12;
constexpr std::uint32_t bmcr_loopback = 1U << 14;

/* Descriptors in memory. The device writes its answer over the request. */
struct TransmitDescriptor {
    std::uint64_t address;
    std::uint32_t command; /* and the number of bytes */
    std::uint32_t status;
};
constexpr std::uint32_t command_data = 3U << 20;
constexpr std::uint32_t command_end_of_frame = 1U << 24;
constexpr std::uint32_t command_crc = 1U << 25;
constexpr std::uint32_t command_report = 1U << 27;
constexpr std::uint32_t command_advanced = 1U << 29;
constexpr std::uint32_t status_frame_shift = 14;

struct ReceiveDescriptor {
    std::uint64_t address;
    std::uint32_t status; /* the upper half of a second address, which is 0 */
    std::uint16_t length;
    std::uint16_t vlan;
};
constexpr std::uint32_t done = 1;

static_assert(sizeof(TransmitDescriptor) == 16 && sizeof(ReceiveDescriptor) == 16);

/* The memory of an object: a page for each ring, and two pages for the last frame of each copy. */
enum OwnPage : std::uint64_t { transmit_ring, receive_ring, last_source, last_target, nr_pages };
constexpr std::uint32_t ring_entries = Igb::frame_bytes / sizeof(TransmitDescriptor);
constexpr std::uint32_t last_bytes = 128;

static_assert(Igb::most_copies + 1 < ring_entries); /* a ring is never full */

TransmitDescriptor frame_from(std::uint64_t iova, std::uint32_t bytes) {
    return {.address = iova,
            .command = bytes | command_data | command_advanced | command_crc |
                       command_end_of_frame | command_report,
            .status = bytes << status_frame_shift};
}

} // namespace

std::uint64_t Igb::own_bytes() {
    return nr_pages * page_bytes();
}

Result<Igb> Igb::make(const VfioDevice& device, const AddressSpace& space, std::uint64_t iova) {
    const Status master = device.set_bus_master(true);

    if (!master)
        return master.error();

    const Result<std::uint64_t> offset = device.region_offset(0);
    const Result<std::uint64_t> bytes = device.region_bytes(0);

    if (!offset || !bytes)
        return offset ? bytes.error() : offset.error();

    Result<Mapping> registers =
        Mapping::map(device.fd(), bytes.value() / page_bytes(), offset.value() / page_bytes());
    Fd memory(memfd_create("igb", MFD_CLOEXEC));

    if (!registers)
        return registers.error();
    if (!memory || ftruncate(memory.get(), static_cast<off_t>(own_bytes())) < 0)
        return errno_error("memfd");

    Result<Mapping> own = Mapping::map(memory.get(), nr_pages);

    if (!own)
        return own.error();

    const Result<std::uint64_t> mapped =
        space.map({.file = memory.get(), .length_bytes = own_bytes(), .iova = iova});

    if (!mapped)
        return mapped.error();

    Igb igb(std::move(registers).value(), std::move(memory), std::move(own).value(), iova);
    const Status started = igb.start();

    if (!started)
        return started.error();
    return igb;
}

/* Interrupts stay off: the object looks at the descriptors instead. */
Status Igb::start() {
    set(ctrl, get(ctrl) | ctrl_reset);
    std::this_thread::sleep_for(std::chrono::milliseconds(1)); /* datasheet 4.2.1.6.1 */

    const Status reset = wait_until(ctrl, ctrl_reset, 0);

    if (!reset)
        return reset.error();
    set(imc, UINT32_MAX);
    set(eimc, UINT32_MAX);
    set(ctrl_ext, (get(ctrl_ext) & ~ctrl_ext_link_mode) | ctrl_ext_driver_loaded);
    /* After a read that the IOMMU refused, the device would read again and again. */
    set(gcr, get(gcr) & ~gcr_resend);

    std::byte* const frame = own_.bytes().data() + last_source * page_bytes();

    std::memcpy(frame + type_offset, type, sizeof(type));
    return connect();
}

/*
 * Loopback. The hardware has it in the PHY. QEMU has it in the MAC, and receives nothing before a
 * negotiation has brought the link up.
 */
Status Igb::connect() {
    const std::uint32_t settings = bmcr_loopback | bmcr_speed_1000 | bmcr_full_duplex;

    for (const std::uint32_t value : {bmcr_negotiate | bmcr_restart, settings}) {
        const Status written = write_phy(bmcr, value);

        if (!written)
            return written.error();
    }
    set(ctrl, (get(ctrl) & ~ctrl_speed) | ctrl_speed_1000 | ctrl_force_speed | ctrl_force_duplex |
                  ctrl_full_duplex | ctrl_link_up);
    return wait_until(status, status_link_up, status_link_up);
}

Status Igb::write_phy(std::uint32_t phy_register, std::uint32_t value) {
    set(mdic, value | phy_register << mdic_register_shift | mdic_first_phy | mdic_write);

    const Status written = wait_until(mdic, mdic_ready, mdic_ready);

    if (!written)
        return written.error();
    if (get(mdic) & mdic_error)
        return Error{EIO, "the device igb does not write a register of its PHY"};
    return std::monostate{};
}

/* Both rings begin at their first descriptor. The device forgets the rings of the copy before. */
Status Igb::use_rings() {
    set(rctl, 0);
    set(tctl, 0);
    for (const auto& [queue, page] :
         {std::pair{receive_queue, receive_ring}, std::pair{transmit_queue, transmit_ring}}) {
        const std::uint64_t iova = iova_ + page * page_bytes();

        set(queue + queue_control, 0);
        set(queue + base_low, static_cast<std::uint32_t>(iova));
        set(queue + base_high, static_cast<std::uint32_t>(iova >> 32));
        set(queue + length, frame_bytes);
        set(queue + head, 0);
        set(queue + tail, 0);
    }
    set(receive_queue + srrctl, one_buffer_a_frame | buffer_of_a_page);
    set(receive_queue + queue_control, queue_enable);
    set(transmit_queue + queue_control, queue_enable);
    set(rlpml, longest_frame);
    set(rctl, rctl_enable | rctl_all_unicast | rctl_all_multicast | rctl_long_frames |
                  rctl_mac_loopback | rctl_broadcast | rctl_strip_crc);
    set(tctl, tctl_enable | tctl_pad);

    const Status receives = wait_until(receive_queue + queue_control, queue_enable, queue_enable);

    return receives ? wait_until(transmit_queue + queue_control, queue_enable, queue_enable)
                    : receives;
}

Result<std::uint64_t> Igb::copy(std::span<const Copy> pages) {
    if (pages.size() > most_copies)
        return Error{EINVAL,
                     "the device igb copies " + std::to_string(most_copies) + " pages at a time"};

    auto* const sent = ring<TransmitDescriptor>(transmit_ring);
    auto* const received = ring<ReceiveDescriptor>(receive_ring);
    const auto put = [&](std::size_t entry, const TransmitDescriptor& source,
                         std::uint64_t target) {
        sent[entry].address = source.address;
        sent[entry].command = source.command;
        sent[entry].status = source.status;
        received[entry].address = target;
        received[entry].status = 0;
        received[entry].length = 0;
        received[entry].vlan = 0;
    };
    const std::size_t nr_frames = pages.size() + 1;
    const Status ready = use_rings();

    if (!ready)
        return ready.error();
    for (std::size_t i = 0; i < pages.size(); i++)
        put(i, frame_from(pages[i].source, frame_bytes), pages[i].target);
    put(pages.size(), frame_from(iova_ + last_source * page_bytes(), last_bytes),
        iova_ + last_target * page_bytes());
    std::atomic_thread_fence(std::memory_order_seq_cst);
    set(receive_queue + tail, static_cast<std::uint32_t>(nr_frames));
    set(transmit_queue + tail, static_cast<std::uint32_t>(nr_frames));
    return wait_for_last(nr_frames);
}

/*
 * Frames arrive in order, and the last one is shorter. So once this frame is there, the device has
 * finished with all frames before.
 */
Result<std::uint64_t> Igb::wait_for_last(std::size_t nr_frames) const {
    const auto* const received = ring<ReceiveDescriptor>(receive_ring);
    const auto end = std::chrono::steady_clock::now() + limits::dma;
    std::size_t entry = 0;

    while (true) {
        while (entry < nr_frames && (received[entry].status & done)) {
            if (received[entry].length == last_bytes) {
                std::atomic_thread_fence(std::memory_order_seq_cst);
                return entry;
            }
            entry++;
        }
        if (entry == nr_frames)
            return Error{EIO, "the device igb has lost the last frame of a copy"};
        if (std::chrono::steady_clock::now() > end)
            return Error{ETIMEDOUT, "the device igb does not end its DMA"};
        std::this_thread::sleep_for(limits::look_again);
    }
}

template <typename Descriptor> volatile Descriptor* Igb::ring(std::uint64_t page) const {
    return reinterpret_cast<volatile Descriptor*>(own_.bytes().data() + page * page_bytes());
}

Status Igb::wait_until(std::size_t offset, std::uint32_t mask, std::uint32_t value) const {
    const auto end = std::chrono::steady_clock::now() + limits::dma;

    while ((get(offset) & mask) != value) {
        if (std::chrono::steady_clock::now() > end)
            return Error{ETIMEDOUT,
                         "the device igb does not change its register " + std::to_string(offset)};
        std::this_thread::sleep_for(limits::look_again);
    }
    return std::monostate{};
}

void Igb::set(std::size_t offset, std::uint32_t value) {
    *reinterpret_cast<volatile std::uint32_t*>(registers_.bytes().data() + offset) = value;
}

std::uint32_t Igb::get(std::size_t offset) const {
    return *reinterpret_cast<const volatile std::uint32_t*>(registers_.bytes().data() + offset);
}

} // namespace testexp
