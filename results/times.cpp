// SPDX-License-Identifier: GPL-2.0
#include "times.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

namespace report {

namespace {

constexpr double significance = 0.05;

bool can_be_significant(std::size_t cases, std::size_t before_count, std::size_t after_count) {
    return smallest_p(before_count, after_count) * static_cast<double>(cases) < significance;
}

} // namespace

std::size_t processes_for(std::size_t cases) {
    std::size_t count = wanted_processes;

    while (!can_be_significant(cases, count, count))
        count++;
    return count;
}

bool TimeChange::is_real(double tolerance_percent) const {
    return p < significance && std::fabs(after / before - 1) > tolerance_percent / 100;
}

std::vector<TimeChange> compare_times(const Bench& before, const Bench& after) {
    std::vector<TimeChange> changes;
    std::vector<double> p_values;

    for (const BenchCase& row : before.cases) {
        const auto now = std::ranges::find(after.cases, row.name, &BenchCase::name);

        if (now == after.cases.end() || row.means.empty() || now->means.empty() ||
            median(row.means) <= 0)
            continue;
        changes.push_back({row.name, row.means.size(), now->means.size(), median(row.means),
                           median(now->means), ratio_interval(row.means, now->means),
                           cliffs_delta(row.means, now->means), 1});
        p_values.push_back(mann_whitney(row.means, now->means).p);
    }

    const std::vector<double> adjusted = holm(p_values);

    for (std::size_t i = 0; i < changes.size(); i++)
        changes[i].p = adjusted[i];
    return changes;
}

std::vector<std::string> timed_only_in(const Bench& bench, const Bench& other) {
    std::set<std::string> elsewhere;
    std::vector<std::string> names;

    for (const BenchCase& row : other.cases) {
        if (!row.means.empty())
            elsewhere.insert(row.name);
    }
    for (const BenchCase& row : bench.cases) {
        if (!row.means.empty() && !elsewhere.contains(row.name))
            names.push_back(row.name);
    }
    return names;
}

std::size_t count_too_few(const std::vector<TimeChange>& changes) {
    return static_cast<std::size_t>(
        std::ranges::count_if(changes, [&changes](const TimeChange& change) {
            return !can_be_significant(changes.size(), change.before_count, change.after_count);
        }));
}

std::vector<std::string> why_no_times(const Bench& before, const Bench& after) {
    std::vector<std::string> reasons;

    for (const Bench* bench : {&before, &after}) {
        if (const std::string clock = bench->context_or("clock", "invalid"); clock != "tsc")
            reasons.push_back(fmt::format("clock {}: its times mean nothing", clock));
    }
    for (const char* name : {"unit", "cpu"}) {
        const std::string then = before.context_or(name, "unknown");
        const std::string now = after.context_or(name, "unknown");

        if (then != now)
            reasons.push_back(fmt::format("{}: {}, but {}", name, then, now));
    }
    return reasons;
}

} // namespace report
