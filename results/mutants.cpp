// SPDX-License-Identifier: GPL-2.0
#include "mutants.hpp"

namespace report {

Mutants parse_mutants(const nlohmann::json& object) {
    Mutants mutants;

    mutants.controls_passed = object.at("controls_passed");
    if (!object.at("seed").is_null())
        mutants.seed = object.at("seed").get<std::int64_t>();
    for (const auto& row : object.at("kinds"))
        mutants.kinds.push_back({row.at("kind"), row.at("known"), row.at("tried"), row.at("killed"),
                                 row.at("survived"), row.at("errors")});
    for (const auto& row : object.at("faults"))
        mutants.faults.push_back({row.at("kind"), row.at("name"), row.at("text"), row.at("flavour"),
                                  row.at("verdict"), row.at("killed_by"), row.at("case")});
    return mutants;
}

} // namespace report
