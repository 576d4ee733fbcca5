// SPDX-License-Identifier: GPL-2.0
/* What was recorded of machine, kernel, module and compilers. */
#include "clock_statement.hpp"
#include "sections.hpp"

namespace report {

std::optional<Section> environment_section(RunDir& run) {
    if (!run.environment)
        return Section{"Environment", {Paragraph{"Not recorded.", Tone::warning}}};

    Section section{"Environment", {clock_statement(fact(run, "clock"))}};
    Table table{"Machine, kernel, module and compilers",
                "",
                {{"what", false}, {"value", false}},
                {},
                Placement::folded};

    for (const auto& [name, value] : *run.environment)
        table.rows.push_back({{name, value}, Tone::plain});
    if (run.icount)
        section.blocks.emplace_back(Paragraph{
            "Instructions were counted in a second boot of the same kernel, with another clock.",
            Tone::plain});
    section.blocks.emplace_back(table);
    return section;
}

} // namespace report
