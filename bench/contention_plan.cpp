// SPDX-License-Identifier: GPL-2.0
#include "contention_plan.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "paths.hpp"

namespace bench {

namespace {

constexpr std::uint64_t operator""_us(unsigned long long microseconds) {
    return microseconds * 1000;
}

constexpr std::uint64_t operator""_ms(unsigned long long milliseconds) {
    return milliseconds * 1000000;
}

/* The paths that are measured beside a holder. */
constexpr std::array paths = {TESTEXP_PATH_GET_PFN, TESTEXP_PATH_GET_PFN_STRIDE,
                              TESTEXP_PATH_SGT_MAP, TESTEXP_PATH_SGT_CACHED,
                              TESTEXP_PATH_FOLLOW_PFNMAP_PTE};

struct BuffersRow {
    const char* name;
    Buffers_of buffers;
};

constexpr std::array sharings = {
    BuffersRow{"all", Buffers_of::all},
    BuffersRow{"each", Buffers_of::each},
    BuffersRow{"sets", Buffers_of::sets},
};

constexpr std::array<std::uint32_t, 4> threads = {1, 2, 4, 8};

constexpr std::array quick_holds = {1_us};
constexpr std::array default_holds = {std::uint64_t{0}, 1_us, 10_us};

constexpr std::uint32_t set_size = 4;
constexpr std::uint32_t set_step = 2;

std::string case_name(const std::string& path, const ContentionCase& row, const char* buffers) {
    return "contention/path:" + path + "/threads:" + std::to_string(row.threads) +
           "/hold_ns:" + std::to_string(row.hold_ns) + "/buffers:" + buffers +
           (row.holder ? "/mix:holder" : "");
}

/* All threads do the same, and wait for one another. */
void add_alike(std::vector<ContentionCase>& plan, std::uint64_t hold_ns) {
    for (const BuffersRow& sharing : sharings) {
        for (const std::uint32_t count : threads) {
            ContentionCase row{.buffers = sharing.buffers, .threads = count, .hold_ns = hold_ns};

            row.name = case_name("get_pfn", row, sharing.name);
            plan.push_back(row);
        }
    }
}

/* Another thread holds the lock half of the time, as an exporter does that moves buffers. */
void add_beside_holder(std::vector<ContentionCase>& plan, std::uint64_t hold_ns) {
    for (const testexp_path path : paths) {
        for (const std::uint32_t count : threads) {
            ContentionCase row{.role = TESTEXP_ROLE_RESOLVE,
                               .path = path,
                               .threads = count,
                               .hold_ns = hold_ns,
                               .holder = true};

            row.name = case_name(testexp::path_row(path).name, row, "all");
            plan.push_back(row);
        }
    }
}

/* The descriptors of each thread's set, one set after the other. */
std::vector<int> make_sets(const ContentionCase& row, std::span<const int> importers) {
    std::vector<int> sets;

    for (std::uint32_t thread = 0; thread < row.threads; thread++)
        for (std::uint32_t i = 0; i < set_size; i++)
            sets.push_back(importers[(thread * set_step + i) % importers.size()]);
    return sets;
}

std::uint32_t first_of(const ContentionCase& row, std::uint32_t thread) {
    switch (row.buffers) {
    case Buffers_of::each:
        return thread;
    case Buffers_of::sets:
        return thread * set_size;
    default:
        return 0;
    }
}

} // namespace

const ContentionPreset quick_contention = {quick_holds, 5_ms, 1};
const ContentionPreset default_contention = {default_holds, 20_ms, 3};

bool ContentionCase::walks() const {
    return role == TESTEXP_ROLE_RESOLVE && testexp::path_row(path).needs_mapping();
}

std::uint32_t ContentionCase::nr_buffers() const {
    switch (buffers) {
    case Buffers_of::each:
        return threads;
    case Buffers_of::sets:
        return std::max(set_size, threads * set_step);
    default:
        return 1;
    }
}

std::vector<ContentionCase> make_contention_plan(const ContentionPreset& preset) {
    std::vector<ContentionCase> plan;

    for (const std::uint64_t hold_ns : preset.hold_ns)
        add_alike(plan, hold_ns);
    for (const std::uint64_t hold_ns : preset.hold_ns)
        if (hold_ns != 0)
            add_beside_holder(plan, hold_ns);
    return plan;
}

std::uint64_t ContentionClock::ticks(std::uint64_t ns) const {
    return static_cast<std::uint64_t>(std::llround(static_cast<double>(ns) * ticks_per_ns));
}

testexp::ContentionSpec make_contention(const ContentionCase& row, const ContentionClock& clock,
                                        std::span<const int> importers,
                                        std::span<const int> processors, std::uint64_t address) {
    const std::uint64_t hold = clock.ticks(row.hold_ns);
    testexp::ContentionSpec spec;

    spec.importers = row.buffers == Buffers_of::sets
                         ? make_sets(row, importers)
                         : std::vector<int>(importers.begin(), importers.end());
    for (std::uint32_t thread = 0; thread < row.threads; thread++)
        spec.contenders.push_back({.role = row.role,
                                   .path = row.path,
                                   .first = first_of(row, thread),
                                   .count = row.buffers == Buffers_of::sets ? set_size : 1,
                                   .hold_ticks = row.holder ? 0 : hold,
                                   .idle_ticks = clock.take_turns ? 1U : 0U,
                                   .address = row.walks() ? address : 0,
                                   .cpu = processors[thread]});
    if (row.holder)
        spec.contenders.push_back({.role = TESTEXP_ROLE_HOLD,
                                   .hold_ticks = hold,
                                   .idle_ticks = hold,
                                   .cpu = processors[row.threads]});
    return spec;
}

} // namespace bench
