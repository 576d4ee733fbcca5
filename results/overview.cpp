// SPDX-License-Identifier: GPL-2.0
#include "overview.hpp"

#include <algorithm>
#include <iterator>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "clock_statement.hpp"
#include "contention_section.hpp"
#include "format.hpp"
#include "paths.hpp"
#include "questions.hpp"
#include "storm.hpp"

namespace report {

namespace {

/* Instruction counts if there are any: they are exact. */
const Bench* best_bench(const RunDir& run) {
    if (run.icount)
        return &*run.icount;
    return run.bench ? &*run.bench : nullptr;
}

std::string pages_text(const BenchCase& row) {
    const double ops = row.get("ops").value_or(0);
    const double pages = ops > 0 ? row.get("pages").value_or(0) / ops : 0;

    if (pages == 0)
        return "";
    return fmt::format(" for {} page{}", show_number(pages), pages == 1 ? "" : "s");
}

Bar cost_bar(const BenchCase& row, Tone tone) {
    const double cost = row.get("per_op").value_or(0);

    return {row.path, cost, show_number(cost) + pages_text(row), tone};
}

bool is_get_pfn(const std::string& path) {
    const testexp::Path* row = testexp::find_path(path);

    return row != nullptr && row->source == testexp::Source::get_pfn;
}

/* Lock and unlock first: an unlocked call cannot cost less. */
std::optional<Bars> cost_bars(const Bench* bench) {
    if (bench == nullptr)
        return std::nullopt;

    Bars bars{
        fmt::format("Cost of one operation by path, in {}", unit_and_clock(*bench)),
        "The buffer is one extent of 2 MiB. The cost is that of the fastest batch, per operation. "
        "An operation delivers the pages that stand beside its cost.",
        {}};

    if (const BenchCase* lock = bench->baseline("lock_unlock"))
        bars.bars.push_back(cost_bar(*lock, Tone::plain));
    for (const std::string& path : bench->paths()) {
        if (const BenchCase* row = simplest_case(*bench, path))
            bars.bars.push_back(cost_bar(*row, is_get_pfn(path) ? Tone::good : Tone::plain));
    }
    return bars.bars.empty() ? std::nullopt : std::optional(bars);
}

/* How many test cases were skipped, by program. */
std::string skip_line(const SelfTests& tests) {
    std::vector<std::string> programs;

    for (const TestProgram& program : tests.programs) {
        if (const int count = program.count(Outcome::skip))
            programs.push_back(fmt::format("{} {}", program.name, count));
    }
    return programs.empty() ? ""
                            : fmt::format("skipped test cases: {}: {}", tests.skipped,
                                          fmt::join(programs, ", "));
}

/* The first lines, and how many more there are. */
Table shortened(const std::vector<std::string>& lines) {
    constexpr std::size_t most = 6;
    const std::size_t shown = lines.size() > most + 1 ? most : lines.size();
    Table table{"Not measured", "", {{"", false}}, {}};

    for (std::size_t i = 0; i < shown; i++)
        table.rows.push_back({{lines[i]}, Tone::plain});
    if (shown < lines.size())
        table.rows.push_back({{fmt::format("... and {} more: see \"What could not be measured\"",
                                           lines.size() - shown)},
                              Tone::plain});
    return table;
}

} // namespace

std::string make_title(const RunDir& run) {
    return fmt::format("dma-buf get_pfn on {} ({}, {})", fact(run, "kernel"), fact(run, "flavour"),
                       fact(run, "api"));
}

std::string describe_subject(const RunDir& run) {
    const std::string virtualisation = fact(run, "virtualisation");
    const std::string api = fact(run, "api");

    return fmt::format("Tested: {} on kernel {}, flavour {}. Machine: {}, {} processors, {}, {}. "
                       "Revision {} of the tests, module ABI {}, built with {}.",
                       api == "native"   ? "dma_buf_get_pfn of the kernel"
                       : api == "compat" ? "the module's own get_pfn"
                                         : "get_pfn",
                       fact(run, "kernel"), fact(run, "flavour"), fact(run, "cpu"),
                       fact(run, "cpus"), fact(run, "memory"),
                       virtualisation == "none" ? "no hypervisor" : "hypervisor " + virtualisation,
                       fact(run, "revision"), fact(run, "abi"), fact(run, "compiler"));
}

std::vector<Block> make_overview(const RunDir& run, const std::vector<std::string>& unmeasured) {
    const std::pair<const char*, std::optional<Bars>> figures[] = {
        {"cost by path", cost_bars(best_bench(run))},
        {"contention", run.contention ? contention_bars(*run.contention) : std::nullopt},
        {"stale PFNs", run.tests ? storm_bars(*run.tests) : std::nullopt}};
    std::vector<std::string> lines;
    std::vector<Block> blocks;

    if (const std::string skipped = run.tests ? skip_line(*run.tests) : ""; !skipped.empty())
        lines.push_back(skipped);
    for (const auto& [name, bars] : figures) {
        if (bars)
            blocks.emplace_back(*bars);
        else
            lines.push_back(std::string("no figure of ") + name + ": the run has no result");
    }
    std::ranges::move(merge_clocks(unmeasured, benches(run)), std::back_inserter(lines));
    if (lines.empty()) {
        blocks.emplace_back(Paragraph{"Everything was measured.", Tone::good});
        return blocks;
    }
    blocks.emplace_back(shortened(lines));
    return blocks;
}

} // namespace report
