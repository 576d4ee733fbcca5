// SPDX-License-Identifier: GPL-2.0
#include "edu.hpp"

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include "limits.hpp"

namespace testexp {

namespace {

/* Registers of BAR 0, and the address of the device's own buffer as its DMA has the address. */
constexpr std::size_t dma_source = 0x80;
constexpr std::size_t dma_target = 0x88;
constexpr std::size_t dma_count = 0x90;
constexpr std::size_t dma_command = 0x98;
constexpr std::uint64_t start = 1;
constexpr std::uint64_t from_memory = 0;
constexpr std::uint64_t to_memory = 2;
constexpr std::uint64_t own_buffer = 0x40000;

/* QEMU ends when a DMA does not fit. */
bool fits(std::uint64_t bytes, std::uint64_t at) {
    return bytes > 0 && at <= Edu::most_bytes && bytes <= Edu::most_bytes - at;
}

Error too_long() {
    return {EINVAL, "the device edu copies 1 to " + std::to_string(Edu::most_bytes) + " bytes"};
}

} // namespace

Result<Edu> Edu::make(const VfioDevice& device) {
    const Status master = device.set_bus_master(true);

    if (!master)
        return master.error();

    const Result<std::uint64_t> offset = device.region_offset(0);

    if (!offset)
        return offset.error();

    Result<Mapping> registers = Mapping::map(device.fd(), 1, offset.value() / page_bytes());

    if (!registers)
        return registers.error();
    return Edu(std::move(registers).value());
}

Status Edu::start_read(std::uint64_t iova, std::uint64_t bytes, std::uint64_t at) {
    if (!fits(bytes, at))
        return too_long();
    begin(iova, own_buffer + at, bytes, from_memory);
    return std::monostate{};
}

Status Edu::start_write(std::uint64_t iova, std::uint64_t bytes, std::uint64_t at) {
    if (!fits(bytes, at))
        return too_long();
    begin(own_buffer + at, iova, bytes, to_memory);
    return std::monostate{};
}

void Edu::begin(std::uint64_t source, std::uint64_t target, std::uint64_t bytes,
                std::uint64_t direction) {
    set(dma_source, source);
    set(dma_target, target);
    set(dma_count, bytes);
    set(dma_command, start | direction);
}

bool Edu::is_running() const {
    return (get(dma_command) & start) != 0;
}

Status Edu::wait() const {
    const auto end = std::chrono::steady_clock::now() + limits::dma;

    while (is_running()) {
        if (std::chrono::steady_clock::now() > end)
            return Error{ETIMEDOUT, "the device edu does not end its DMA"};
        std::this_thread::sleep_for(limits::look_again);
    }
    return std::monostate{};
}

Status Edu::read(std::uint64_t iova, std::uint64_t bytes) {
    const Status started = start_read(iova, bytes);

    return started ? wait() : started;
}

Status Edu::write(std::uint64_t iova, std::uint64_t bytes) {
    const Status started = start_write(iova, bytes);

    return started ? wait() : started;
}

/* The device takes accesses of 64 bits there. */
void Edu::set(std::size_t offset, std::uint64_t value) {
    *reinterpret_cast<volatile std::uint64_t*>(registers_.bytes().data() + offset) = value;
}

std::uint64_t Edu::get(std::size_t offset) const {
    return *reinterpret_cast<const volatile std::uint64_t*>(registers_.bytes().data() + offset);
}

} // namespace testexp
