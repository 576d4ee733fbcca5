// SPDX-License-Identifier: GPL-2.0
/* What the probes saw: calls of functions, and the reservation locks. */
#include <algorithm>
#include <iterator>
#include <set>
#include <string>

#include "clock_statement.hpp"
#include "latency_blocks.hpp"
#include "sections.hpp"

namespace report {

namespace {

Section make_section(const RunDir& run, const std::string& title, bool about_locks) {
    Histograms selected;
    std::set<std::string> clocks;

    if (run.latency)
        std::ranges::copy_if(*run.latency, std::back_inserter(selected),
                             [=](const auto& row) { return is_about_locks(row) == about_locks; });
    if (selected.empty())
        return {title, {Paragraph{"Not traced.", Tone::warning}}};

    Section section{title, {}};

    for (testexp::NamedHistogram& row : selected) {
        const auto label = row.labels.try_emplace("clock", fact(run, "clock")).first;

        if (clocks.insert(label->second).second)
            section.blocks.emplace_back(clock_statement(label->second));
    }
    std::ranges::move(latency_blocks(selected), std::back_inserter(section.blocks));
    return section;
}

} // namespace

std::optional<Section> call_section(RunDir& run) {
    return make_section(run, "Latency of single calls", false);
}

std::optional<Section> lock_section(RunDir& run) {
    return make_section(run, "Reservation locks: wait and hold", true);
}

} // namespace report
