// SPDX-License-Identifier: GPL-2.0
#include "regression.hpp"

namespace report {

Regression parse_regression(const nlohmann::json& object) {
    Regression regression{object.at("before"), object.at("after"), {}, object.at("faults")};

    for (const auto& row : object.at("cases"))
        regression.cases.push_back(
            {row.at("suite"), row.at("case"), row.at("before"), row.at("after"), row.at("reason")});
    return regression;
}

} // namespace report
