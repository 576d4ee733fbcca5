/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the resolve benchmark measures, as data: a row for each path, size, order
 * and baseline. Pure: needs no module.
 */
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "testexp.hpp"

namespace bench {

/* A buffer of RAM extents of 2^order pages each, no two of them adjacent. */
struct Shape {
    std::uint64_t size_bytes = 0;
    std::uint32_t order = 0;

    bool operator==(const Shape&) const = default;
    std::uint64_t nr_pages() const;
    std::uint64_t nr_extents() const;
};

/* One measurement in the kernel, and the name of its result. */
struct Case {
    std::string name;
    Shape shape;
    testexp::MeasureSpec spec;
    /* What an exact count of its instructions would need but cannot have, or "". */
    std::string needs_for_icount;
};

struct Preset {
    const char* name;
    std::span<const std::uint64_t> sizes_bytes; /* ascending */
};

/* The short form and the whole. Both have every path, order and baseline. */
extern const Preset quick_preset;
extern const Preset full_preset;

/**
 * All cases, those that need no buffer of a certain shape first; then those with
 * the same shape follow one another, so that one buffer at a time is enough.
 */
std::vector<Case> make_plan(const Preset& preset);

/* How a call that costs about as much as one get_pfn is measured. */
testexp::MeasureSpec short_calls();

/* How often each case is measured, from the beginning. */
inline constexpr int repeats = 5;

} // namespace bench
