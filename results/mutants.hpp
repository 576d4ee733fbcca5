/* SPDX-License-Identifier: GPL-2.0 */
/* Faults put into the module and the kernel on purpose, as scripts/mutants tried them. */
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace report {

struct Mutant {
    std::string kind; /* module or kernel */
    std::string name;
    std::string text; /* what is wrong */
    std::string flavour;
    std::string verdict;   /* killed, survived or error */
    std::string killed_by; /* a program */
    std::string found;     /* what it found first, or why there is no verdict */
};

struct MutantKind {
    std::string kind;
    int known = 0; /* also those that were not tried */
    int tried = 0;
    int killed = 0;
    std::vector<std::string> survived;
    std::vector<std::string> errors; /* not built, or the guest was lost */
};

struct Mutants {
    std::optional<std::int64_t> seed; /* of the sample; none: those that were asked for */
    bool controls_passed = false;     /* the same programs pass without a fault */
    std::vector<MutantKind> kinds;
    std::vector<Mutant> faults;
};

/* Throws when @object is not what schema.md says. */
Mutants parse_mutants(const nlohmann::json& object);

} // namespace report
