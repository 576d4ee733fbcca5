/* SPDX-License-Identifier: GPL-2.0 */
/* Results of bench_resolve, as bench.json and bench-icount.json hold them. */
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace report {

/* The counters order_<n>: pages for which get_pfn returned the order n. */
inline constexpr std::string_view order_counter = "order_";

struct BenchCase {
    std::string name;
    std::string path; /* or the name of the baseline */
    std::optional<std::uint64_t> size_bytes;
    std::optional<unsigned> order;
    std::map<std::string, std::string> axes; /* whatever else the name says */
    std::string error;                       /* why there are no counters, or "" */
    std::map<std::string, double> counters;  /* over all repetitions; see schema.md */
    std::vector<double> means;               /* per operation, one for each process */

    bool is_baseline() const { return !size_bytes; }

    /* On a buffer of another exporter than the test exporter. Nobody has chosen its orders. */
    bool is_foreign() const { return size_bytes && !order; }
    bool is_measured() const { return error.empty(); }

    /* RAM, page after page, many a batch: nothing in the name but path, size and order. */
    bool is_plain() const { return axes.empty(); }

    /* What an axis says, or "". */
    std::string axis(const std::string& key) const;

    /* As a number, or 0. parse_bench() refuses threads, hold_ns and extents that are none. */
    std::uint64_t number(const std::string& key) const;

    /* A counter, or nothing. */
    std::optional<double> get(const std::string& counter) const;

    /* The error says that this machine cannot measure it; nothing is wrong. */
    bool is_beyond_machine() const { return error.starts_with("requires "); }
};

struct Bench {
    std::map<std::string, std::string> context;
    std::vector<BenchCase> cases;

    std::string context_or(const std::string& name, const std::string& fallback) const;

    /* The plain case, measured; or nullptr. */
    const BenchCase* baseline(const std::string& name) const;
    const BenchCase* find(const std::string& path, std::uint64_t size_bytes, unsigned order) const;

    /* What occurs in plain cases with a size: paths in their order, the rest ascending. */
    std::vector<std::string> paths() const;
    std::vector<std::uint64_t> sizes_bytes() const;
    std::vector<unsigned> orders() const;
};

/* Cases are in the order of the plan. Throws std::exception when it is not such a file. */
Bench parse_bench(const nlohmann::json& json);

} // namespace report
