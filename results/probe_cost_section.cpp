// SPDX-License-Identifier: GPL-2.0
#include "probe_cost_section.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cost_section.hpp"
#include "format.hpp"

namespace report {

namespace {

/* What each case of bench_probe is. */
struct Tracer {
    const char* name;
    const char* text;
};

constexpr Tracer tracers[] = {
    {"probe/bare", "none"},
    {"probe/empty", "fentry + fexit, empty: the least there is"},
    {"probe/ours", "dmabuf-lat calls"},
    {"probe/ours_locks", "dmabuf-lat locks, by buffer"},
    {"probe/bpftrace_kfunc", "bpftrace, kfunc + kretfunc, hist()"},
    {"probe/empty_kprobe", "kprobe + kretprobe, empty"},
    {"probe/ours_kprobe", "dmabuf-lat calls --mode kprobe"},
    {"probe/bpftrace_kprobe", "bpftrace, kprobe + kretprobe, hist()"},
    {"probe/perf_stat", "perf stat on the same two: only counts"},
    {"probe/perf_record", "perf record on the same two: each event"},
    {"probe/perf_trace", "perf trace on the same two: each event"},
};

std::string text_of(const std::string& name) {
    const auto found =
        std::ranges::find_if(tracers, [&](const Tracer& tracer) { return tracer.name == name; });
    return found == std::end(tracers) ? name : found->text;
}

std::optional<double> bare_cost(const Bench& bench) {
    const auto found = std::ranges::find(bench.cases, "probe/bare", &BenchCase::name);
    return found == bench.cases.end() ? std::nullopt : found->get("per_op");
}

} // namespace

Section probe_cost_section(const Bench& bench) {
    const std::optional<double> bare = bare_cost(bench);
    Section section{"What looking costs", {clock_statement(bench.context_or("clock", "unknown"))}};
    Table table;

    table.caption = fmt::format("One call of get_pfn while it is traced, in {}: fastest batch",
                                bench.context_or("unit", "unknown"));
    table.columns = {{"tracer", false},        {"case", false}, {"per call", true},
                     {"more than bare", true}, {"calls", true}, {"why not", false}};
    for (const BenchCase& row : bench.cases) {
        const std::optional<double> cost = row.get("per_op");
        const std::optional<double> more =
            cost && bare ? std::optional(*cost - *bare) : std::nullopt;

        table.rows.push_back({{text_of(row.name), row.name, show_number(cost), show_number(more),
                               show_number(row.get("ops")), row.error},
                              row.is_measured() ? Tone::plain : Tone::warning});
    }
    section.blocks.emplace_back(table);
    return section;
}

bool is_about_locks(const testexp::NamedHistogram& histogram) {
    return histogram.name.starts_with("dma_resv ") || histogram.name.starts_with("ww_mutex ");
}

} // namespace report
