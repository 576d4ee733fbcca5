/* SPDX-License-Identifier: GPL-2.0 */
/* What buffer a case needs, as data. Pure. */
#pragma once

#include <cstdint>
#include <string>

namespace bench {

enum class Memory { ram, synthetic };
enum class Exporter { static_, dynamic, cache_sgt };

/* How this process has the buffer mapped, for paths that look at its page table. */
enum class CpuMapping {
    none,
    pte,
    pmd,
    cold,        /* PTEs that are zapped; a fault maps one page */
    cold_around, /* the same; a fault maps the exporter's 64 */
};

/* A buffer of extents of 2^order pages each, no two of them adjacent. */
struct Shape {
    std::uint64_t size_bytes = 0;
    std::uint32_t order = 0;
    Memory memory = Memory::ram;
    Exporter exporter = Exporter::static_;
    CpuMapping cpu = CpuMapping::none;
    bool fresh = false; /* made anew for each measurement: nobody has touched it */

    bool operator==(const Shape&) const = default;
    std::uint64_t nr_pages() const;
    std::uint64_t nr_extents() const;

    /* "size:4096/order:0", and what is not usual as further "/key:value". */
    std::string name() const;
};

} // namespace bench
