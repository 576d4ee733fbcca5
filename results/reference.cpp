// SPDX-License-Identifier: GPL-2.0
#include "reference.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "paths.hpp"

namespace report {

namespace {

/* Another value of these is another number, and no one's fault. */
constexpr std::array comparable_facts = {"clock",    "kernel",        "flavour", "kernel_compiler",
                                         "compiler", "debug_options", "api",     "preset"};

/* Whether two sets of counts may differ in this fact when they are of two kernels. */
bool is_of_kernel(const std::string& fact) {
    return fact == "kernel" || fact == "flavour";
}

std::string fact_of(const Counts& counts, const char* name) {
    const auto found = counts.context.find(name);

    return found == counts.context.end() ? "unknown" : found->second;
}

std::optional<double> per_op_of(const Counts& counts, const std::string& name) {
    const auto found = counts.cases.find(name);

    return found == counts.cases.end() ? std::nullopt : std::optional(found->second.at("per_op"));
}

/* The counters that moved. A counter that only one side has counts as moved. */
std::vector<Change> moved_counters(const std::string& name,
                                   const std::map<std::string, double>& before,
                                   const std::map<std::string, double>& after,
                                   double tolerance_percent) {
    std::vector<Change> moved;

    for (const auto& [counter, value] : before) {
        const auto now = after.find(counter);

        if (now == after.end())
            moved.push_back({name, counter, value, std::nullopt});
        else if (std::fabs(now->second - value) > value * tolerance_percent / 100)
            moved.push_back({name, counter, value, now->second});
    }
    for (const auto& [counter, value] : after) {
        if (!before.contains(counter))
            moved.push_back({name, counter, std::nullopt, value});
    }
    return moved;
}

/*
 * Whether each boot has the same count. The count differs where it depends on the place of the
 * pages in memory. This is so for paths that deliver blocks or runs, unless all pages have one
 * order, and for a fault, which looks up the cache mode of each page.
 */
bool repeats(const BenchCase& row) {
    const testexp::Path* path = testexp::find_path(row.path);
    const auto is_order = [](const auto& counter) {
        return counter.first.starts_with(order_counter);
    };

    if (!row.is_foreign() || path == nullptr)
        return true;
    if (path->unit == testexp::Unit::page)
        return !path->faults;
    return std::ranges::count_if(row.counters, is_order) == 1;
}

Change whole_case(const std::string& name) {
    return {name, "", std::nullopt, std::nullopt};
}

} // namespace

Counts parse_reference(const nlohmann::json& object) {
    Counts counts;

    object.at("context").get_to(counts.context);
    object.at("cases").get_to(counts.cases);
    for (const auto& [name, counters] : counts.cases) {
        if (!counters.contains("per_op"))
            throw std::invalid_argument("case " + name + " has no per_op");
    }
    return counts;
}

std::string reference_text(const Counts& counts) {
    std::string text = "{\n  \"context\": {";
    const char* separator = "\n";

    for (const auto& [name, value] : counts.context) {
        text += fmt::format("{}    {}: {}", separator, nlohmann::json(name).dump(),
                            nlohmann::json(value).dump());
        separator = ",\n";
    }
    text += "\n  },\n  \"cases\": {";
    separator = "\n";
    for (const auto& [name, counters] : counts.cases) {
        text += fmt::format("{}    {}: {}", separator, nlohmann::json(name).dump(),
                            nlohmann::json(counters).dump());
        separator = ",\n";
    }
    return text + "\n  }\n}\n";
}

Counts counts_of(const Bench& bench) {
    Counts counts;

    for (const char* name : comparable_facts)
        counts.context[name] = bench.context_or(name, "unknown");
    counts.context["abi"] = bench.context_or("abi", "unknown");
    if (counts.context["clock"] != "icount")
        throw std::invalid_argument("instructions were not counted: its clock is " +
                                    counts.context["clock"]);
    for (const BenchCase& row : bench.cases) {
        if (!row.is_measured() || !repeats(row))
            continue;

        auto& counters = counts.cases[row.name];
        const auto pages = row.get("pages");
        const auto ops = row.get("ops");

        counters["per_op"] = row.get("per_op").value_or(0);
        if (pages && ops && *pages > 0 && *ops > 0)
            counters["pages_per_op"] = *pages / *ops;
    }
    return counts;
}

Counts parse_counts(const nlohmann::json& object) {
    return object.contains("cases") ? parse_reference(object) : counts_of(parse_bench(object));
}

std::vector<std::string> differing_context(const Counts& before, const Counts& after,
                                           Kernels kernels) {
    std::vector<std::string> lines;

    for (const char* name : comparable_facts) {
        const std::string then = fact_of(before, name);
        const std::string now = fact_of(after, name);

        if (then != now && !(kernels == Kernels::two && is_of_kernel(name)))
            lines.push_back(fmt::format("{}: {}, but {}", name, then, now));
    }
    if (kernels == Kernels::two && fact_of(before, "kernel") == fact_of(after, "kernel"))
        lines.push_back("both are of kernel " + fact_of(before, "kernel"));
    if (kernels == Kernels::two && std::ranges::none_of(before.cases, [&](const auto& named) {
            return after.cases.contains(named.first);
        }))
        lines.push_back("no case is in both");
    return lines;
}

std::string kernel_of(const Counts& counts) {
    return fact_of(counts, "kernel");
}

std::vector<Change> side_by_side(const Counts& before, const Counts& after) {
    std::set<std::string> names;
    std::vector<Change> rows;

    for (const Counts* counts : {&before, &after}) {
        for (const auto& [name, counters] : counts->cases)
            names.insert(name);
    }
    for (const std::string& name : names)
        rows.push_back({name, "per_op", per_op_of(before, name), per_op_of(after, name)});
    return rows;
}

CountChanges compare_counts(const Counts& before, const Counts& after, double tolerance_percent) {
    CountChanges changes;

    for (const auto& [name, counters] : before.cases) {
        const auto now = after.cases.find(name);

        if (now == after.cases.end()) {
            changes.gone.push_back(whole_case(name));
            continue;
        }

        const auto moved = moved_counters(name, counters, now->second, tolerance_percent);

        changes.moved.insert(changes.moved.end(), moved.begin(), moved.end());
        changes.same += moved.empty() ? 1 : 0;
    }
    for (const auto& [name, counters] : after.cases) {
        if (!before.cases.contains(name))
            changes.added.push_back(whole_case(name));
    }
    return changes;
}

} // namespace report
