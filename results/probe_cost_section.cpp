// SPDX-License-Identifier: GPL-2.0
/* What each tracer adds to a call, as bench_probe measured. */
#include <algorithm>

#include <fmt/format.h>

#include "clock_statement.hpp"
#include "format.hpp"
#include "sections.hpp"

namespace report {

namespace {

struct Tracer {
    const char* name;
    const char* text;
};

constexpr Tracer tracers[] = {
    {"probe/bare", "none"},
    {"probe/empty", "empty fentry + fexit: the minimum"},
    {"probe/ours", "dmabuf-lat calls"},
    {"probe/ours_locks", "dmabuf-lat locks, by buffer"},
    {"probe/bpftrace_kfunc", "bpftrace, kfunc + kretfunc, hist()"},
    {"probe/empty_kprobe", "empty kprobe + kretprobe"},
    {"probe/ours_kprobe", "dmabuf-lat calls --mode kprobe"},
    {"probe/bpftrace_kprobe", "bpftrace, kprobe + kretprobe, hist()"},
    {"probe/perf_stat", "perf stat on both kprobes: counts only"},
    {"probe/perf_record", "perf record on both kprobes: each event"},
    {"probe/perf_trace", "perf trace on both kprobes: each event"},
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

Table tracer_table(const Bench& bench) {
    const std::optional<double> bare = bare_cost(bench);
    Table table{
        fmt::format("One call of get_pfn while a tracer watches, in {}", unit_and_clock(bench)),
        "per call is the fastest batch. added: what the tracer adds to the bare call.",
        {{"tracer", false},
         {"case", false},
         {"per call", true},
         {"added", true},
         {"calls", true},
         {"why not measured", false}},
        {}};

    for (const BenchCase& row : bench.cases) {
        const std::optional<double> cost = row.get("per_op");
        const std::optional<double> added =
            cost && bare ? std::optional(*cost - *bare) : std::nullopt;

        table.rows.push_back({{text_of(row.name), row.name, show_number(cost), show_number(added),
                               show_number(row.get("ops")), row.error},
                              row.is_measured() ? Tone::plain : Tone::warning});
    }
    return table;
}

Bars tracer_bars(const Bench& bench) {
    Bars bars{
        fmt::format("What a tracer adds to one call of get_pfn, in {}", unit_and_clock(bench)),
        "",
        {}};
    const std::optional<double> bare = bare_cost(bench);

    for (const BenchCase& row : bench.cases) {
        if (bare && row.is_measured() && row.name != "probe/bare") {
            const double added = row.get("per_op").value_or(0) - *bare;

            bars.bars.push_back({text_of(row.name), added, show_number(added)});
        }
    }
    return bars;
}

} // namespace

std::optional<Section> probe_cost_section(RunDir& run) {
    if (!run.probe_cost)
        return std::nullopt;

    const Bench& bench = *run.probe_cost;
    Section section{"What tracing costs",
                    {clock_statement(bench.context_or("clock", "unknown"))},
                    false,
                    unmeasured(bench)};

    if (Bars bars = tracer_bars(bench); !bars.bars.empty())
        section.blocks.emplace_back(std::move(bars));
    section.blocks.emplace_back(tracer_table(bench));
    return section;
}

} // namespace report
