// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/kcore is an ELF file of the kernel's memory. Its program headers say which physical
 * addresses the kernel's direct map has, and where in the file they are.
 */
#include <array>
#include <memory>
#include <vector>

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include "physical_reader.hpp"
#include "testexp.hpp"

namespace check {

namespace {

struct Segment {
    std::uint64_t address; /* physical */
    std::uint64_t length;
    off_t offset;
};

template <typename T> bool read_at(int fd, off_t offset, T& value) {
    return pread(fd, &value, sizeof(value), offset) == static_cast<ssize_t>(sizeof(value));
}

std::vector<Segment> segments_of(int fd) {
    std::vector<Segment> segments;
    Elf64_Ehdr header{};

    if (!read_at(fd, 0, header))
        return {};
    for (unsigned int i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr program{};

        if (!read_at(fd, static_cast<off_t>(header.e_phoff + i * sizeof(program)), program))
            return {};
        /* A segment without a physical address has the address -1, or 0 like the kernel's text. */
        if (program.p_type == PT_LOAD && program.p_paddr + 1 > 1)
            segments.push_back(
                {program.p_paddr, program.p_memsz, static_cast<off_t>(program.p_offset)});
    }
    return segments;
}

std::optional<std::uint64_t> read_word(int fd, const std::vector<Segment>& segments,
                                       std::uint64_t address) {
    for (const Segment& segment : segments) {
        std::uint64_t word = 0;

        if (address < segment.address || address - segment.address >= segment.length)
            continue;
        if (!read_at(fd, segment.offset + static_cast<off_t>(address - segment.address), word))
            return std::nullopt;
        return word;
    }
    return std::nullopt;
}

} // namespace

std::optional<PhysicalReader> kcore_reader() {
    constexpr std::size_t most_pages = 4096;
    const auto file = std::make_shared<testexp::Fd>(open("/proc/kcore", O_RDONLY | O_CLOEXEC));

    if (!*file)
        return std::nullopt;

    const std::vector<Segment> segments = segments_of(file->get());

    if (segments.empty())
        return std::nullopt;
    return PhysicalReader{"/proc/kcore", most_pages, [file, segments](std::uint64_t address) {
                              return read_word(file->get(), segments, address);
                          }};
}

} // namespace check
