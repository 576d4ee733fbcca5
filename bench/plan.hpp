/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the resolve benchmark measures, as data: a row for each path, size, order, exporter,
 * baseline and question. Pure: needs no module.
 */
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "paths.hpp"
#include "shape.hpp"
#include "testexp.hpp"

namespace bench {

/* One measurement in the kernel, and the name of its result. */
struct Case {
    std::string name;
    Shape shape;
    testexp::MeasureSpec spec; /* without the address, which is not known yet */
    /* Why the instructions of the case cannot be counted exactly, or "". */
    std::string needs_for_icount;
};

/* The values on each axis. Every preset has every path, baseline and question. */
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

/* nullptr when no preset has this name. */
const Preset* find_preset(const std::string& name);

/**
 * All cases, each once. Cases with the same shape follow one another, so that one
 * buffer at a time is enough.
 */
std::vector<Case> make_plan(const Preset& preset);

/* The baselines alone. A reader compares the cases of another exporter with these baselines. */
std::vector<Case> make_baselines();

/* The cases of another exporter than the test exporter: every path on one buffer. */
std::vector<Case> make_foreign_plan(const testexp::ForeignSpec& exporter);

/*
 * Why the instructions of an operation of @path on a buffer of @nr_extents extents cannot be
 * counted exactly, or "".
 */
std::string why_not_countable(const testexp::Path& path, std::uint64_t nr_extents);

/* How a call that costs about as much as one get_pfn is measured. */
testexp::MeasureSpec short_calls();

/* How often each case is measured, each time from the first page on. */
inline constexpr int repeats = 5;

} // namespace bench
