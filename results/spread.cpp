// SPDX-License-Identifier: GPL-2.0
#include "spread.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "format.hpp"
#include "statistics.hpp"
#include "times.hpp"

namespace report {

namespace {

std::size_t fewest_processes(const Bench& bench) {
    std::size_t fewest = 0;

    for (const BenchCase& row : bench.cases) {
        if (row.is_measured())
            fewest = fewest == 0 ? row.means.size() : std::min(fewest, row.means.size());
    }
    return fewest;
}

Paragraph spread_statement(const Bench& bench) {
    const std::string clock = bench.context_or("clock", "invalid");
    const std::size_t processes = fewest_processes(bench);

    if (clock == "icount")
        return {
            "Counts are exact, so there are no repetitions and no confidence intervals. Batches "
            "in which a timer tick fell raise the percentiles.",
            Tone::plain};
    if (clock != "tsc")
        return {"The clock is invalid, so the spread means as little as the times. The table below "
                "only shows that the spread can be taken.",
                Tone::warning};
    if (processes < wanted_processes)
        return {fmt::format("{} too few for a confidence interval. Take at least {}: bench_resolve "
                            "--processes {}.",
                            processes == 1 ? "1 process is"
                                           : fmt::format("{} processes are", processes),
                            wanted_processes, wanted_processes),
                Tone::warning};
    return {"Several processes measured each case, each process in a random order. scripts/compare "
            "compares two runs.",
            Tone::plain};
}

/* Baselines and the smallest buffer: with all cases the summary would be long. */
bool is_in_short(const BenchCase& row, const std::vector<std::uint64_t>& sizes_bytes) {
    return row.is_baseline() ||
           (row.is_plain() && !sizes_bytes.empty() && row.size_bytes == sizes_bytes.front());
}

Table spread_table(const Bench& bench, bool all) {
    const auto sizes_bytes = bench.sizes_bytes();
    Table table;

    table.placement = all ? Placement::page_only : Placement::folded;
    table.caption = fmt::format("Spread over n processes{}, in {} per operation (clock: {})",
                                all ? ", all cases" : "", bench.context_or("unit", "ticks"),
                                bench.context_or("clock", "invalid"));
    table.note = "median: of the means of the processes. from, to: its 95 % confidence interval "
                 "(bootstrap). p50 to p99.9: over batches, the median of all repetitions. max: of "
                 "all batches.";
    table.columns = {{"case", false}, {"n", true},   {"median", true}, {"from", true},
                     {"to", true},    {"p50", true}, {"p90", true},    {"p99", true},
                     {"p99.9", true}, {"max", true}};
    for (const BenchCase& row : bench.cases) {
        if (row.means.empty() || (!all && !is_in_short(row, sizes_bytes)))
            continue;

        const Interval interval = median_interval(row.means);

        table.rows.push_back(
            {{row.name, std::to_string(row.means.size()), show_number(median(row.means)),
              show_number(interval.low), show_number(interval.high), show_number(row.get("p50")),
              show_number(row.get("p90")), show_number(row.get("p99")),
              show_number(row.get("p999")), show_number(row.get("max"))},
             Tone::plain});
    }
    return table;
}

} // namespace

std::vector<Block> spread_blocks(const Bench& bench) {
    std::vector<Block> blocks = {spread_statement(bench)};

    if (bench.context_or("clock", "invalid") == "icount")
        return blocks;
    for (const bool all : {false, true}) {
        if (Table table = spread_table(bench, all); !table.rows.empty())
            blocks.emplace_back(std::move(table));
    }
    return blocks;
}

} // namespace report
