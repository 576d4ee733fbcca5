/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the resolve benchmark measures, as data: a row for each path, size, order,
 * baseline and question. Pure: needs no module.
 */
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "shape.hpp"
#include "testexp.hpp"

namespace bench {

/* One measurement in the kernel, and the name of its result. */
struct Case {
    std::string name;
    Shape shape;
    testexp::MeasureSpec spec; /* but for the address, which is not known before */
    /* What an exact count of its instructions would need but cannot have, or "". */
    std::string needs_for_icount;
};

/* How much of each axis. All have every path, baseline and question. */
struct Preset {
    const char* name;
    std::span<const std::uint64_t> sizes_bytes; /* of RAM */
    std::span<const std::uint32_t> orders;
    std::span<const std::uint64_t> far_sizes_bytes; /* of synthetic extents */
    std::span<const std::uint32_t> far_orders;
    std::span<const std::uint64_t> extents; /* of order 0, for the cost of a lookup */
};

extern const Preset quick_preset;
extern const Preset default_preset;
extern const Preset full_preset;

/* nullptr when there is none of that name. */
const Preset* find_preset(const std::string& name);

/**
 * All cases, each once. Those with the same shape follow one another, so that one
 * buffer at a time is enough.
 */
std::vector<Case> make_plan(const Preset& preset);

/* How a call that costs about as much as one get_pfn is measured. */
testexp::MeasureSpec short_calls();

/* How often each case is measured, from the beginning. */
inline constexpr int repeats = 5;

} // namespace bench
