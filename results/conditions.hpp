/* SPDX-License-Identifier: GPL-2.0 */
/* What about a machine makes its times worse, or worthless, and what would help. */
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "environment.hpp"

namespace report {

struct Condition {
    std::string name;
    std::string found; /* its state */
    std::string why;   /* it disturbs */
    std::string fix;   /* a command, or what to boot */
};

struct Conditions {
    std::vector<Condition> noisy;
    std::vector<std::string> quiet;   /* names and states */
    std::vector<std::string> unknown; /* names: this machine does not say */
};

/**
 * Judges what env.json holds. @after is the same at the end of the measuring; what
 * happened in between cannot be known without it.
 */
Conditions judge_conditions(const testexp::Facts& before,
                            const std::optional<testexp::Facts>& after);

} // namespace report
