/* SPDX-License-Identifier: GPL-2.0 */
/* What was found in a kernel log, as selftests/kernel_bugs.py judged it; see schema.md. */
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace report {

struct LogVerdict {
    bool is_judged = false;
    std::string why;               /* not, or "" */
    std::vector<std::string> bugs; /* lines that report one */
    int announced = 0;             /* that a test provoked on purpose, and said so */
};

/* Throws when @object is not what schema.md says. */
inline LogVerdict parse_log_verdict(const nlohmann::json& object) {
    return {object.at("judged").get<bool>(), object.at("why").get<std::string>(),
            object.at("bugs").get<std::vector<std::string>>(), object.at("announced").get<int>()};
}

} // namespace report
