/* SPDX-License-Identifier: GPL-2.0 */
/* What buffer a case needs, as data. Pure. */
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "foreign_buffer.hpp"
#include "testexp_uapi.h"

namespace bench {

enum class Memory { ram, synthetic };

/* A kind of test exporter. To measure another kind, add a row: the plan takes every row. */
struct Exporter {
    const char* name = ""; /* in the names of cases; "" is the kind that names do not mention */
    std::uint32_t create_flags = 0;
    std::uint32_t attach_flags = 0;
    std::uint32_t feature = 0;    /* TESTEXP_FEAT_* that the module must have */
    const char* requirement = ""; /* the same in words */

    /* No feature says whether the kernel has this kind: CREATE fails with EOPNOTSUPP. */
    constexpr bool is_known_only_by_trying() const { return feature == 0 && *requirement != '\0'; }
};

inline constexpr Exporter exporters[] = {
    {""},
    {"dynamic", TESTEXP_CREATE_DYNAMIC, TESTEXP_ATTACH_DYNAMIC, TESTEXP_FEAT_MOVE_NOTIFY,
     "CONFIG_DMABUF_MOVE_NOTIFY for a dynamic exporter"},
    {"cache_sgt", TESTEXP_CREATE_CACHE_SGT, 0, 0,
     "mappings that the core caches, as kernels before 6.16 do"},
};

/* How this process has the buffer mapped, for paths that look at its page table. */
enum class CpuMapping {
    none,
    pte,
    pmd,
    cold,        /* PTEs that are zapped; a fault maps one page */
    cold_around, /* the same; a fault maps the exporter's 64 */
};

/*
 * A buffer of extents of 2^order pages each, no two of them adjacent. A buffer of another exporter
 * has the extents that its exporter finds, and @order is 0.
 */
struct Shape {
    std::uint64_t size_bytes = 0;
    std::uint32_t order = 0;
    Memory memory = Memory::ram;
    const Exporter* exporter = &exporters[0];
    CpuMapping cpu = CpuMapping::none;
    bool fresh = false; /* made anew for each measurement, so no call has used the buffer */
    std::optional<testexp::ForeignSpec> foreign = std::nullopt; /* none: the test exporter */

    bool operator==(const Shape&) const = default;
    std::uint64_t nr_pages() const;
    std::uint64_t nr_extents() const; /* at most; of another exporter only the bound is known */

    /*
     * "size:4096/order:0", and what is not usual as further "/key:value". Of another exporter:
     * "exporter:udmabuf/size:4096".
     */
    std::string name() const;
};

} // namespace bench
