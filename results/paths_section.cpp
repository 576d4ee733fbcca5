// SPDX-License-Identifier: GPL-2.0
/* What each path delivers and locks. Costs can only be compared together with that. */
#include <algorithm>

#include "paths.hpp"
#include "sections.hpp"

namespace report {

std::optional<Section> paths_section(RunDir& run) {
    Table table;
    std::vector<std::string> names;

    for (const auto* bench : {&run.icount, &run.bench}) {
        if (!*bench)
            continue;
        for (const std::string& name : (*bench)->paths()) {
            if (std::ranges::find(names, name) == names.end())
                names.push_back(name);
        }
    }
    table.caption = "What each path delivers";
    table.note = "told by: how the importer learns that a move made the answer stale.";
    table.placement = Placement::folded;
    table.is_wide = true;
    table.columns = {{"path"}, {"one operation"}, {"delivers"}, {"lock"}, {"told by"}};
    for (const std::string& name : names) {
        if (const testexp::Path* path = testexp::find_path(name))
            table.rows.push_back(
                {{name, path->operation, path->delivers, path->lock, path->after_move},
                 Tone::plain});
    }
    if (table.rows.empty())
        return std::nullopt;
    return Section{"Paths", {table}};
}

} // namespace report
