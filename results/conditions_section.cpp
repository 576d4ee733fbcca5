// SPDX-License-Identifier: GPL-2.0
/* Conditions of the machine that disturb times, and what helps against each. */
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "conditions.hpp"
#include "sections.hpp"

namespace report {

namespace {

std::string list_or_nothing(const std::vector<std::string>& words) {
    return words.empty() ? "nothing" : fmt::format("{}", fmt::join(words, ", "));
}

/* The environment, and how Google Benchmark was built: only the benchmark itself knows. */
testexp::Facts facts_with_library(const RunDir& run) {
    testexp::Facts facts = *run.environment;
    std::string build = "unknown";

    for (const Bench* bench : benches(run)) {
        const std::string found = bench->context_or("library_build_type", "unknown");

        if (build != "debug" && found != "unknown")
            build = found;
    }
    facts.emplace_back("library_build_type", build);
    return facts;
}

Paragraph statement(const Conditions& found) {
    const std::size_t count = found.noisy.size();

    if (count == 0)
        return {"No known condition disturbed the times of this run.", Tone::good};
    return {fmt::format("{} condition{} disturbed the times of this run. Instruction counts do not "
                        "depend on them. scripts/run --kernel running --tune changes governor, "
                        "turbo, SMT and clocksource for the run.",
                        count, count == 1 ? "" : "s"),
            Tone::warning};
}

Table noisy_table(const Conditions& found) {
    Table table{"What disturbs times on this machine, and what helps",
                "",
                {{"condition", false}, {"found", false}, {"why it matters", false}, {"fix", false}},
                {},
                Placement::folded,
                true};

    for (const Condition& condition : found.noisy)
        table.rows.push_back(
            {{condition.name, condition.found, condition.why, condition.fix}, Tone::warning});
    return table;
}

} // namespace

std::optional<Section> conditions_section(RunDir& run) {
    if (!run.environment)
        return Section{"Conditions", {Paragraph{"Not recorded.", Tone::warning}}};

    const Conditions found = judge_conditions(facts_with_library(run), run.environment_after);
    Section section{"Conditions", {statement(found)}};

    if (!found.noisy.empty())
        section.blocks.emplace_back(noisy_table(found));
    section.blocks.emplace_back(Paragraph{
        fmt::format("These conditions do not disturb: {}. This machine does not tell: {}.",
                    list_or_nothing(found.quiet), list_or_nothing(found.unknown)),
        Tone::plain});
    return section;
}

} // namespace report
