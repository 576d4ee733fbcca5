// SPDX-License-Identifier: GPL-2.0
#include "plan.hpp"

#include <algorithm>
#include <array>

namespace bench {

namespace {

constexpr std::uint64_t operator""_MiB(unsigned long long mebibytes) {
    return mebibytes << 20;
}

/* What one operation of a path goes through, which decides how many make a batch. */
enum class Work {
    call,        /* one call */
    whole_buffer /* every extent of the buffer */
};

struct PathRow {
    const char* name;
    testexp_path path;
    Work work;
};

constexpr std::array baselines = {
    PathRow{"empty_loop", TESTEXP_PATH_EMPTY, Work::call},
    PathRow{"lock_unlock", TESTEXP_PATH_LOCK_UNLOCK, Work::call},
    PathRow{"exporter_op", TESTEXP_PATH_EXPORTER_OP, Work::call},
};

constexpr std::array paths = {
    PathRow{"get_pfn", TESTEXP_PATH_GET_PFN, Work::call},
    PathRow{"get_pfn_stride", TESTEXP_PATH_GET_PFN_STRIDE, Work::call},
    PathRow{"get_pfn_batch", TESTEXP_PATH_GET_PFN_BATCH, Work::call},
    PathRow{"sgt_map", TESTEXP_PATH_SGT_MAP, Work::whole_buffer},
};

/* Descending: the first shape, which baselines use, is the smallest buffer in the fewest extents.
 */
constexpr std::array<std::uint32_t, 4> orders = {10, 9, 4, 0};

constexpr std::array quick_sizes = {2_MiB, 8_MiB, 32_MiB};
constexpr std::array full_sizes = {2_MiB, 8_MiB, 32_MiB, 128_MiB, 1024_MiB};

/*
 * Timer ticks disturb single batches. So batches are short and many, and the
 * whole is repeated from the first page on: each batch has counterparts that do
 * exactly the same work, and the fastest of all is free of ticks.
 */
constexpr std::uint32_t calls_per_batch = 100;
constexpr std::uint64_t min_batches = 200;

/* Operations over whole buffers cannot be short; this bounds what they take. */
constexpr std::uint64_t extents_per_measurement = 131072;
constexpr std::uint64_t min_whole_batches = 2;

/*
 * An operation that takes as long as the kernel's timer period never runs without
 * a tick. Walking an extent costs some 220 instructions, a period at 250 Hz is 4
 * million: up to here, about every other operation is free of ticks.
 */
constexpr std::uint64_t max_countable_extents = 8192;

/* Once over all pages, so that the caches see the whole buffer, not its beginning. */
std::uint64_t call_batches(const Shape& shape) {
    return std::max(min_batches, (shape.nr_pages() + calls_per_batch - 1) / calls_per_batch);
}

std::uint64_t whole_batches(const Shape& shape) {
    return std::clamp(extents_per_measurement / shape.nr_extents(), min_whole_batches, min_batches);
}

testexp::MeasureSpec make_spec(const PathRow& row, const Shape& shape) {
    testexp::MeasureSpec spec;

    spec.path = row.path;
    spec.nr_pages = shape.nr_pages();
    spec.ops_per_batch = row.work == Work::call ? calls_per_batch : 1;
    spec.batches = row.work == Work::call ? call_batches(shape) : whole_batches(shape);
    spec.warmup_batches = 1;
    return spec;
}

std::string why_not_countable(const PathRow& row, const Shape& shape) {
    if (row.work == Work::call || shape.nr_extents() <= max_countable_extents)
        return "";
    return "an operation shorter than a timer period, or ticks are counted too: " +
           std::to_string(max_countable_extents) + " extents at most, not " +
           std::to_string(shape.nr_extents());
}

std::string case_name(const PathRow& row, const Shape& shape) {
    return std::string("resolve/path:") + row.name + "/size:" + std::to_string(shape.size_bytes) +
           "/order:" + std::to_string(shape.order);
}

std::vector<Shape> make_shapes(const Preset& preset) {
    std::vector<Shape> shapes;

    for (const std::uint64_t size_bytes : preset.sizes_bytes) {
        for (const std::uint32_t order : orders) {
            if (const Shape shape{size_bytes, order}; shape.nr_extents() > 0)
                shapes.push_back(shape);
        }
    }
    return shapes;
}

} // namespace

const Preset quick_preset = {"quick", quick_sizes};
const Preset full_preset = {"full", full_sizes};

std::uint64_t Shape::nr_pages() const {
    return size_bytes / testexp::page_bytes();
}

std::uint64_t Shape::nr_extents() const {
    return nr_pages() >> order;
}

std::vector<Case> make_plan(const Preset& preset) {
    const std::vector<Shape> shapes = make_shapes(preset);
    std::vector<Case> plan;

    plan.reserve(baselines.size() + shapes.size() * paths.size());
    for (const PathRow& row : baselines) {
        plan.push_back({std::string("baseline/") + row.name, shapes.front(),
                        make_spec(row, shapes.front()), ""});
    }
    for (const Shape& shape : shapes) {
        for (const PathRow& row : paths)
            plan.push_back({case_name(row, shape), shape, make_spec(row, shape),
                            why_not_countable(row, shape)});
    }
    return plan;
}

testexp::MeasureSpec short_calls() {
    testexp::MeasureSpec spec;

    spec.ops_per_batch = calls_per_batch;
    spec.batches = min_batches;
    spec.warmup_batches = 1;
    return spec;
}

} // namespace bench
