/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The environment as an object in env.json. All values are strings, with the same names as in a
 * benchmark's context.
 */
#pragma once

#include <nlohmann/json.hpp>

#include "environment.hpp"

namespace testexp {

inline nlohmann::ordered_json environment_json(const Environment& environment) {
    auto json = nlohmann::ordered_json::object();

    for (const auto& [name, value] : environment.facts())
        json[name] = value;
    return json;
}

} // namespace testexp
