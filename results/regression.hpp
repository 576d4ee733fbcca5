/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's own tests on two kernels, as scripts/regression compared them. */
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace report {

struct RegressionCase {
    std::string suite;
    std::string name;
    std::string before; /* pass, fail, skip or absent */
    std::string after;
    std::string reason; /* what the tests said */
};

struct Regression {
    std::string before; /* the kernels */
    std::string after;
    std::vector<RegressionCase> cases;
    std::vector<std::string> faults; /* why they are not the same */
};

/* Throws when @object is not what schema.md says. */
Regression parse_regression(const nlohmann::json& object);

} // namespace report
