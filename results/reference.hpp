/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is exact of a pass that counted instructions, to be kept in the repository
 * and compared with later ones.
 */
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "bench.hpp"

namespace report {

struct Counts {
    /* The version of the ABI, and the facts that two comparable sets of counts must share. */
    std::map<std::string, std::string> context;
    /* Case, counter, value; per_op in instructions, pages_per_op where pages are delivered. */
    std::map<std::string, std::map<std::string, double>> cases;
};

/* Throws std::exception when @object is not what schema.md says of reference files. */
Counts parse_reference(const nlohmann::json& object);

/* The file's text: a line for each case, so that a change of one shows as one. */
std::string reference_text(const Counts& counts);

/* The counts of a pass that repeat in each boot; schema.md names the others. Needs icount. */
Counts counts_of(const Bench& bench);

/* Counts of a reference file, or of a pass that counted instructions; throws as the two above. */
Counts parse_counts(const nlohmann::json& object);

struct Change {
    std::string name;    /* of the case */
    std::string counter; /* or "" when the case is new or gone */
    std::optional<double> before;
    std::optional<double> after;
};

struct CountChanges {
    std::size_t same = 0;      /* cases */
    std::vector<Change> moved; /* a counter, by more than the tolerance */
    std::vector<Change> added; /* not in the earlier one */
    std::vector<Change> gone;  /* not in the later one */

    bool any() const { return !moved.empty() || !added.empty() || !gone.empty(); }
};

/* Whether two sets of counts must be of one kernel, or show what two kernels have in common. */
enum class Kernels { one, two };

/* "kernel: 6.12.1, but 6.12.2": one line for each reason not to compare the two. The counts of two
 * kernels also need a case in both. */
std::vector<std::string> differing_context(const Counts& before, const Counts& after,
                                           Kernels kernels = Kernels::one);

/* The kernel and its flavour, or "unknown". */
std::string kernel_of(const Counts& counts);

/* per_op of every case that one of the two has, by name. */
std::vector<Change> side_by_side(const Counts& before, const Counts& after);

/* Cases by name. A counter may differ by @tolerance_percent of its earlier value. */
CountChanges compare_counts(const Counts& before, const Counts& after, double tolerance_percent);

} // namespace report
