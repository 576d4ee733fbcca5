/* SPDX-License-Identifier: GPL-2.0 */
/* What reads memory at a physical address, as a device does: not through page tables of the CPU. */
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace check {

struct PhysicalReader {
    std::string name;           /* for messages: "/proc/kcore" */
    std::size_t most_pages = 0; /* how many pages a law may read, as the reader may be slow */

    /* The 64-bit word at this address; nothing where the reader cannot reach the address. */
    std::function<std::optional<std::uint64_t>(std::uint64_t address)> word_at;
};

/* Nothing where the kernel has no /proc/kcore, or does not give it to this process. */
std::optional<PhysicalReader> kcore_reader();

/* The first reader that this machine has. Skips where it has none. */
PhysicalReader physical_reader_or_skip();

} // namespace check
