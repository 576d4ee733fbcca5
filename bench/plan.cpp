// SPDX-License-Identifier: GPL-2.0
#include "plan.hpp"

#include <algorithm>
#include <array>

namespace bench {

namespace {

constexpr std::uint64_t operator""_KiB(unsigned long long kibibytes) {
    return kibibytes << 10;
}
constexpr std::uint64_t operator""_MiB(unsigned long long mebibytes) {
    return mebibytes << 20;
}
constexpr std::uint64_t operator""_GiB(unsigned long long gibibytes) {
    return gibibytes << 30;
}

using testexp::Path;
using testexp::path_row;
using testexp::Source;

/* How this process has to map the buffer for @path. */
constexpr CpuMapping mapping_for(const Path& path) {
    if (!path.needs_mapping())
        return CpuMapping::none;
    if (path.faults)
        return CpuMapping::cold;
    return path.leaf == testexp::Leaf::pmd ? CpuMapping::pmd : CpuMapping::pte;
}

/*
 * The most extents for which an operation over the whole buffer can be counted exactly. An
 * operation that takes as long as the kernel's timer period never runs without a tick. At 250 Hz
 * that is 4 million instructions: up to this number, about every other operation has no tick.
 */
constexpr std::uint64_t max_extents(const Path& path) {
    return path.source == Source::phys_list ? 65536 : 8192;
}

/* The exporter's callback alone is a baseline of the benchmark. */
constexpr bool is_measured(const Path& path) {
    return !path.is_baseline() && path.id != TESTEXP_PATH_EXPORTER_OP;
}

/* Paths that need a mapping come last. */
std::vector<testexp_path> measured_paths() {
    std::vector<testexp_path> ids;

    for (const bool mapped : {false, true})
        for (const Path& path : testexp::paths)
            if (is_measured(path) && path.needs_mapping() == mapped)
                ids.push_back(path.id);
    return ids;
}

/* The buffer on which only the path itself costs something: one extent in one leaf. */
constexpr Shape simplest = {2_MiB, 9};

constexpr std::uint32_t pmd_order = 9;

constexpr std::array quick_sizes = {2_MiB, 8_MiB, 32_MiB};
constexpr std::array default_sizes = {4_KiB, 64_KiB, 2_MiB, 8_MiB, 32_MiB, 128_MiB, 1_GiB};
constexpr std::array full_sizes = {4_KiB,  16_KiB, 64_KiB, 256_KiB, 1_MiB,   2_MiB,   4_MiB, 8_MiB,
                                   16_MiB, 32_MiB, 64_MiB, 128_MiB, 256_MiB, 512_MiB, 1_GiB};

constexpr std::array<std::uint32_t, 4> few_orders = {10, 9, 4, 0};
constexpr std::array<std::uint32_t, 11> all_orders = {10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};

constexpr std::array few_far_sizes = {1_GiB, 1024_GiB};
constexpr std::array all_far_sizes = {1_GiB, 8_GiB, 64_GiB, 512_GiB, 1024_GiB};
constexpr std::array<std::uint32_t, 2> few_far_orders = {18, 9};
constexpr std::array<std::uint32_t, 10> all_far_orders = {18, 17, 16, 15, 14, 13, 12, 11, 10, 9};

constexpr std::array<std::uint64_t, 6> few_extents = {1, 16, 256, 4096, 65536, 1048576};
constexpr std::array<std::uint64_t, 21> all_extents = {
    1,    2,    4,    8,     16,    32,    64,     128,    256,    512,    1024,
    2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576};

/*
 * Timer ticks disturb single batches. So batches are short and many, and the
 * whole is repeated from the first page on: each batch has counterparts that do
 * exactly the same work, and the fastest of all is free of ticks.
 */
constexpr std::uint32_t calls_per_batch = 100;
constexpr std::uint64_t min_batches = 200;

/* Enough to pass over a large buffer in parts, not in whole: 1 TiB has 2^28 pages. */
constexpr std::uint64_t max_batches = 4096;

/* A fault costs as much as 20 calls. */
constexpr std::uint64_t fault_batches = 20;

/* Operations over whole buffers cannot be short; this bounds what they take. */
constexpr std::uint64_t extents_per_measurement = 131072;
constexpr std::uint64_t min_whole_batches = 2;

/* Over all pages if that can be, so that the caches see the buffer, not its beginning. */
std::uint64_t call_batches(const Shape& shape) {
    return std::clamp((shape.nr_pages() + calls_per_batch - 1) / calls_per_batch, min_batches,
                      max_batches);
}

std::uint64_t whole_batches(const Shape& shape) {
    return std::clamp(extents_per_measurement / shape.nr_extents(), min_whole_batches, min_batches);
}

testexp::MeasureSpec make_spec(const Path& path, const Shape& shape) {
    testexp::MeasureSpec spec;

    spec.path = path.id;
    spec.nr_pages = shape.nr_pages();
    spec.warmup_batches = 1;
    if (path.whole_window) {
        spec.ops_per_batch = 1;
        spec.batches = whole_batches(shape);
    } else if (path.faults) {
        spec.ops_per_batch =
            static_cast<std::uint32_t>(std::min<std::uint64_t>(calls_per_batch, shape.nr_pages()));
        spec.batches = fault_batches;
    } else {
        spec.ops_per_batch = calls_per_batch;
        spec.batches = call_batches(shape);
    }
    return spec;
}

/* @variant: "" or "/key:value" for what the shape does not say. */
Case make_case(testexp_path id, Shape shape, const std::string& variant = "") {
    const Path& path = path_row(id);

    if (shape.cpu == CpuMapping::none)
        shape.cpu = mapping_for(path);
    return {std::string("resolve/path:") + path.name + "/" + shape.name() + variant, shape,
            make_spec(path, shape),
            shape.foreign ? "" : why_not_countable(path, shape.nr_extents())};
}

bool can_have(testexp_path id, const Shape& shape) {
    return shape.nr_extents() > 0 &&
           (path_row(id).leaf != testexp::Leaf::pmd || shape.order >= pmd_order);
}

/* A sequence of pages other than to the next page. */
struct Sequence {
    testexp_sequence kind;
    std::uint64_t stride;
    const char* variant;
};

constexpr std::array sequences = {
    Sequence{TESTEXP_SEQUENCE_STRIDED, 7, "/sequence:strided"},
    Sequence{TESTEXP_SEQUENCE_RANDOM, 0, "/sequence:random"},
};

Case in_sequence(testexp_path path, const Shape& shape, const Sequence& sequence) {
    Case row = make_case(path, shape, sequence.variant);

    row.spec.sequence = sequence.kind;
    row.spec.stride = sequence.stride;
    return row;
}

/*
 * --- The questions of the plan ---
 * Each question has a function here. A new question needs a function, and a call in the plan below.
 */

/* The costs that are part of every figure: the loop in each sequence, the lock, the exporter. */
void add_baselines(std::vector<Case>& plan) {
    const auto add = [&plan](Case row, const std::string& variant) {
        row.name = std::string("baseline/") + path_row(row.spec.path).name + variant;
        plan.push_back(row);
    };

    add(make_case(TESTEXP_PATH_EMPTY, simplest), "");
    add(make_case(TESTEXP_PATH_LOCK_UNLOCK, simplest), "");
    add(make_case(TESTEXP_PATH_EXPORTER_OP, simplest), "");
    for (const Sequence& sequence : sequences)
        add(in_sequence(TESTEXP_PATH_EMPTY, simplest, sequence), sequence.variant);
}

/* What does a call cost, by the sequence of pages? */
void add_sequences(std::vector<Case>& plan, const Shape& shape) {
    for (const testexp_path path : {TESTEXP_PATH_GET_PFN, TESTEXP_PATH_GET_PFN_BATCH})
        for (const Sequence& sequence : sequences)
            plan.push_back(in_sequence(path, shape, sequence));
}

/* How are single operations distributed? */
void add_singles(std::vector<Case>& plan, testexp_path path, const Shape& shape) {
    Case single = make_case(path, shape, "/mode:single");

    single.spec.mode = TESTEXP_MODE_SINGLE;
    plan.push_back(single);
}

/* Every path on RAM, by size and order. */
void add_matrix(std::vector<Case>& plan, const Preset& preset) {
    const std::vector<testexp_path> paths = measured_paths();
    Shape around = simplest;

    for (const std::uint64_t size_bytes : preset.sizes_bytes) {
        for (const std::uint32_t order : preset.orders) {
            const Shape shape{size_bytes, order};

            for (const testexp_path path : paths) {
                if (!can_have(path, shape))
                    continue;
                plan.push_back(make_case(path, shape));
                if (shape == simplest)
                    add_singles(plan, path, shape);
            }
            if (shape == simplest)
                add_sequences(plan, shape);
        }
    }
    around.cpu = CpuMapping::cold_around;
    plan.push_back(make_case(TESTEXP_PATH_FOLLOW_PFNMAP_COLD, around));
}

/* What does the kind of exporter change? */
void add_exporters(std::vector<Case>& plan) {
    for (const Exporter& exporter : std::span(exporters).subspan(1)) {
        for (const testexp_path path : {TESTEXP_PATH_GET_PFN, TESTEXP_PATH_GET_PFN_STRIDE,
                                        TESTEXP_PATH_GET_PFN_BATCH, TESTEXP_PATH_SGT_MAP}) {
            Shape shape = simplest;

            shape.exporter = &exporter;
            plan.push_back(make_case(path, shape));
        }
    }
}

/* What does the first operation cost on a buffer that nobody has touched? */
void add_first_touches(std::vector<Case>& plan) {
    for (const testexp_path path :
         {TESTEXP_PATH_GET_PFN, TESTEXP_PATH_GET_PFN_STRIDE, TESTEXP_PATH_SGT_MAP,
          TESTEXP_PATH_PHYS_LIST, TESTEXP_PATH_FOLLOW_PFNMAP_COLD}) {
        Shape shape = simplest;

        shape.fresh = true;

        Case row = make_case(path, shape);

        row.spec.ops_per_batch = 1;
        row.spec.batches = 1;
        row.spec.warmup_batches = 0;
        plan.push_back(row);
    }
}

/* Sizes and orders beyond memory: for paths that need neither a mapping nor pages to map. */
void add_far(std::vector<Case>& plan, const Preset& preset) {
    for (const std::uint64_t size_bytes : preset.far_sizes_bytes) {
        for (const std::uint32_t order : preset.far_orders) {
            const Shape shape{size_bytes, order, Memory::synthetic};

            for (const testexp_path id : measured_paths())
                if (path_row(id).source == Source::get_pfn ||
                    path_row(id).source == Source::phys_list)
                    plan.push_back(make_case(id, shape));
        }
    }
}

/* What does it cost to find the extent, by how many there are? */
void add_lookups(std::vector<Case>& plan, const Preset& preset) {
    for (const std::uint64_t extents : preset.extents) {
        const Shape shape{extents * testexp::page_bytes(), 0, Memory::synthetic};

        for (const testexp_path path : {TESTEXP_PATH_GET_PFN, TESTEXP_PATH_EXPORTER_OP}) {
            Case row =
                make_case(path, shape, "/extents:" + std::to_string(extents) + "/sequence:random");

            row.spec.sequence = TESTEXP_SEQUENCE_RANDOM;
            row.spec.batches = min_batches;
            plan.push_back(row);
        }
    }
}

/* Cases with one shape follow one another, and share a buffer. Baselines stay first. */
std::vector<Case> in_order_of_shapes(std::vector<Case> plan) {
    std::vector<Shape> shapes;

    for (const Case& row : plan)
        if (std::ranges::find(shapes, row.shape) == shapes.end())
            shapes.push_back(row.shape);
    std::ranges::stable_sort(plan, {}, [&shapes](const Case& row) {
        return std::ranges::find(shapes, row.shape) - shapes.begin();
    });
    return plan;
}

} // namespace

const Preset quick_preset = {"quick",       quick_sizes,    few_orders,
                             few_far_sizes, few_far_orders, few_extents};
const Preset default_preset = {"default",     default_sizes,  few_orders,
                               few_far_sizes, few_far_orders, few_extents};
const Preset full_preset = {"full",        full_sizes,     all_orders,
                            all_far_sizes, all_far_orders, all_extents};

const Preset* find_preset(const std::string& name) {
    for (const Preset* preset : {&quick_preset, &default_preset, &full_preset})
        if (preset->name == name)
            return preset;
    return nullptr;
}

std::string why_not_countable(const Path& path, std::uint64_t nr_extents) {
    if (!path.whole_window || nr_extents <= max_extents(path))
        return "";
    return "an operation shorter than a timer period, or ticks are counted too: " +
           std::to_string(max_extents(path)) + " extents at most, not " +
           std::to_string(nr_extents);
}

std::vector<Case> make_plan(const Preset& preset) {
    std::vector<Case> plan;

    add_baselines(plan);
    add_matrix(plan, preset);
    add_exporters(plan);
    add_first_touches(plan);
    add_far(plan, preset);
    add_lookups(plan, preset);

    return in_order_of_shapes(plan);
}

std::vector<Case> make_baselines() {
    std::vector<Case> plan;

    add_baselines(plan);
    return plan;
}

std::vector<Case> make_foreign_plan(const testexp::ForeignSpec& exporter) {
    const Shape shape{.size_bytes = testexp::size_bytes_of(exporter), .foreign = exporter};
    std::vector<Case> plan;

    plan.push_back(make_case(TESTEXP_PATH_EXPORTER_OP, shape));
    for (const testexp_path path : measured_paths()) {
        plan.push_back(make_case(path, shape));
        if (path_row(path).faults)
            plan.back().spec.ops_per_batch = 1; /* a fault may map the whole buffer */
        else
            add_singles(plan, path, shape);
    }
    add_sequences(plan, shape);
    return in_order_of_shapes(plan);
}

testexp::MeasureSpec short_calls() {
    testexp::MeasureSpec spec;

    spec.ops_per_batch = calls_per_batch;
    spec.batches = min_batches;
    spec.warmup_batches = 1;
    return spec;
}

} // namespace bench
