// SPDX-License-Identifier: GPL-2.0
#include "reference.hpp"

#include <array>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

namespace report {

namespace {

/* Another value of these is another number, and no one's fault. */
constexpr std::array comparable_facts = {"clock",    "kernel",        "flavour", "kernel_compiler",
                                         "compiler", "debug_options", "api",     "preset"};

/* Counters differ: a counter that only one side has does so, too. */
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
        if (!row.is_measured())
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

std::vector<std::string> differing_context(const Counts& before, const Counts& after) {
    std::vector<std::string> lines;
    const auto fact = [](const Counts& counts, const char* name) {
        const auto found = counts.context.find(name);

        return found == counts.context.end() ? std::string("unknown") : found->second;
    };

    for (const char* name : comparable_facts) {
        const std::string then = fact(before, name);
        const std::string now = fact(after, name);

        if (then != now)
            lines.push_back(fmt::format("{}: {}, but {}", name, then, now));
    }
    return lines;
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
