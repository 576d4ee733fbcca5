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

Status Edu::read(std::uint64_t iova, std::uint64_t bytes) {
    return run(iova, own_buffer, bytes, from_memory);
}

Status Edu::write(std::uint64_t iova, std::uint64_t bytes) {
    return run(own_buffer, iova, bytes, to_memory);
}

Status Edu::run(std::uint64_t source, std::uint64_t target, std::uint64_t bytes,
                std::uint64_t direction) {
    if (bytes == 0 || bytes > most_bytes) /* QEMU would end */
        return Error{EINVAL, "the device edu copies 1 to " + std::to_string(most_bytes) + " bytes"};
    set(dma_source, source);
    set(dma_target, target);
    set(dma_count, bytes);
    set(dma_command, start | direction);

    const auto end = std::chrono::steady_clock::now() + limits::dma;

    while ((get(dma_command) & start) != 0) {
        if (std::chrono::steady_clock::now() > end)
            return Error{ETIMEDOUT, "the device edu does not end its DMA"};
        std::this_thread::sleep_for(limits::look_again);
    }
    return std::monostate{};
}

/* The device takes accesses of 64 bits there. */
void Edu::set(std::size_t offset, std::uint64_t value) {
    *reinterpret_cast<volatile std::uint64_t*>(registers_.bytes().data() + offset) = value;
}

std::uint64_t Edu::get(std::size_t offset) const {
    return *reinterpret_cast<const volatile std::uint64_t*>(registers_.bytes().data() + offset);
}

} // namespace testexp
