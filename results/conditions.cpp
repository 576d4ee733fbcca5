// SPDX-License-Identifier: GPL-2.0
#include "conditions.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <fmt/format.h>

namespace report {

namespace {

constexpr const char* unknown = "unknown";
/* A load average of one minute from this value on shows that other programs ran for long. */
constexpr double busy_load = 1.5;

std::string fact(const testexp::Facts& facts, const std::string& name) {
    const auto found = std::ranges::find(facts, name, &testexp::Facts::value_type::first);

    return found == facts.end() ? unknown : found->second;
}

struct Rule {
    const char* fact;
    bool (*is_noisy)(const std::string& value);
    const char* why;
    const char* fix;
};

constexpr std::array rules = {
    Rule{"clock", [](const std::string& value) { return value == "invalid"; },
         "emulated, or nothing vouches for the TSC (see clock_why): times mean nothing, "
         "instruction counts are exact",
         "scripts/run --kernel running on real hardware, or a host with KVM"},
    Rule{"virtualisation", [](const std::string& value) { return value != "none"; },
         "the host takes the processor away unseen",
         "scripts/run --kernel running on real hardware"},
    Rule{"debug_options", [](const std::string& value) { return value != "none"; },
         "locks, allocations and mappings cost a multiple", "scripts/run --kernel base"},
    Rule{"governor", [](const std::string& value) { return value != "performance"; },
         "the frequency follows the load",
         "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"},
    Rule{"turbo", [](const std::string& value) { return value != "off"; },
         "the frequency depends on heat and on the other cores",
         "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo || "
         "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"},
    Rule{"smt", [](const std::string& value) { return value != "off"; },
         "the sibling shares the core's units and caches",
         "echo off | sudo tee /sys/devices/system/cpu/smt/control"},
    Rule{
        "isolated", [](const std::string& value) { return value == "none"; },
        "other tasks and interrupts come to the measuring processor",
        "boot with isolcpus=1 nohz_full=1 rcu_nocbs=1 irqaffinity=0, then taskset -c 1 scripts/run "
        "--kernel running"},
    Rule{"clocksource", [](const std::string& value) { return value != "tsc"; },
         "the kernel does not trust the TSC, and reads a slower clock",
         "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource"},
    Rule{"load",
         [](const std::string& value) { return std::strtod(value.c_str(), nullptr) >= busy_load; },
         "something else was at work for a while", "top -b -n 1 | head -n 20, and stop it"},
    Rule{"running", [](const std::string& value) { return value != "0"; },
         "something else wanted a processor at that moment",
         "top -b -n 1 | head -n 20, and stop it"},
    Rule{"mitigations", [](const std::string& value) { return value.starts_with("mitigated:"); },
         "kernel entry and indirect calls pay for them: figures are for this CPU only",
         "boot with mitigations=off, to see what they cost"},
    Rule{"library_build_type", [](const std::string& value) { return value != "release"; },
         "Google Benchmark was built to debug it: what it does around each case takes longer",
         "build Google Benchmark with CMAKE_BUILD_TYPE=Release"},
};

/* How often heat slowed a processor down while it was measured, or "unknown". */
std::string throttled_between(const testexp::Facts& before, const testexp::Facts& after) {
    const std::string earlier = fact(before, "throttled");
    const std::string later = fact(after, "throttled");

    if (earlier == unknown || later == unknown)
        return unknown;
    return std::to_string(std::strtoull(later.c_str(), nullptr, 10) -
                          std::strtoull(earlier.c_str(), nullptr, 10));
}

void judge(const Rule& rule, const std::string& value, Conditions& into) {
    if (value == unknown)
        into.unknown.emplace_back(rule.fact);
    else if (rule.is_noisy(value))
        into.noisy.push_back({rule.fact, value, rule.why, rule.fix});
    else
        into.quiet.push_back(fmt::format("{} {}", rule.fact, value));
}

constexpr Rule throttling = {"throttled", [](const std::string& value) { return value != "0"; },
                             "heat slowed a processor down meanwhile",
                             "better cooling, or turbo off: see turbo"};

} // namespace

Conditions judge_conditions(const testexp::Facts& before,
                            const std::optional<testexp::Facts>& after) {
    Conditions conditions;

    for (const Rule& rule : rules)
        judge(rule, fact(before, rule.fact), conditions);
    judge(throttling, after ? throttled_between(before, *after) : unknown, conditions);
    return conditions;
}

} // namespace report
