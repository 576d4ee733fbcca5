// SPDX-License-Identifier: GPL-2.0
/* The program reads the noisy conditions of a machine from /proc and /sys, judges them, and names
 * a cure for each. The tests use fake roots. */
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <gtest/gtest.h>

#include "conditions.hpp"

namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

constexpr const char* cpu = "sys/devices/system/cpu/";

/* A machine without a noisy condition. */
const Files quiet_files = {
    {"proc/loadavg", "0.08 0.40 0.90 1/200 4242\n"},
    {"sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"},
    {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"},
    {"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n"},
    {"sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3\n"},
    {"sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "4\n"},
    {"sys/devices/system/cpu/cpufreq/boost", "0\n"},
    {"sys/devices/system/cpu/smt/active", "0\n"},
    {"sys/devices/system/cpu/isolated", "1\n"},
    {"sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n"},
};

class FakeRoot {
public:
    explicit FakeRoot(const Files& files) {
        char name[] = "/tmp/dmabuf-conditions.XXXXXX";

        path_ = mkdtemp(name);
        for (const auto& [file, text] : files) {
            fs::create_directories((path_ / file).parent_path());
            std::ofstream(path_ / file) << text;
        }
    }
    FakeRoot(const FakeRoot&) = delete;
    FakeRoot& operator=(const FakeRoot&) = delete;
    ~FakeRoot() { fs::remove_all(path_); }

    /* What is not a file is of a real machine without debug options, whatever this one is. */
    testexp::Facts facts() const {
        testexp::Environment environment = testexp::read_environment(std::nullopt, path_);

        environment.clock = "tsc";
        environment.virtualisation = "none";

        testexp::Facts facts = environment.facts();

        facts.emplace_back("library_build_type", "release");
        return facts;
    }

private:
    fs::path path_;
};

testexp::Facts facts_with(const std::string& file, const std::string& text) {
    Files files = quiet_files;

    files[file] = text;
    return FakeRoot(files).facts();
}

/* Only this condition is noisy. Returns its state. */
std::string only_noisy(const testexp::Facts& facts, const std::string& name) {
    const auto conditions = report::judge_conditions(facts, facts);

    if (conditions.noisy.size() != 1 || conditions.noisy[0].name != name)
        return "not that alone";
    return conditions.noisy[0].fix.empty() ? "no fix" : conditions.noisy[0].found;
}

TEST(Conditions, QuietMachineHasNone) {
    const auto facts = FakeRoot(quiet_files).facts();
    const auto conditions = report::judge_conditions(facts, facts);

    EXPECT_TRUE(conditions.noisy.empty()) << conditions.noisy[0].name;
    EXPECT_TRUE(conditions.unknown.empty()) << conditions.unknown[0];
    EXPECT_NE(std::ranges::find(conditions.quiet, "governor performance"), conditions.quiet.end());
}

TEST(Conditions, EachNoisyOneIsNamed) {
    const std::string at = cpu;

    EXPECT_EQ(
        only_noisy(facts_with(at + "cpu1/cpufreq/scaling_governor", "powersave\n"), "governor"),
        "performance powersave")
        << "one processor is enough";
    EXPECT_EQ(only_noisy(facts_with(at + "cpufreq/boost", "1\n"), "turbo"), "on");
    EXPECT_EQ(only_noisy(facts_with(at + "intel_pstate/no_turbo", "0\n"), "turbo"), "on");
    EXPECT_EQ(only_noisy(facts_with(at + "smt/active", "1\n"), "smt"), "on");
    EXPECT_EQ(only_noisy(facts_with(at + "isolated", "\n"), "isolated"), "none");
    EXPECT_EQ(
        only_noisy(facts_with(at + "vulnerabilities/meltdown", "Mitigation: PTI\n"), "mitigations"),
        "mitigated: meltdown");
    EXPECT_EQ(only_noisy(facts_with("proc/loadavg", "2.10 1.00 0.90 1/200 4242\n"), "load"),
              "2.10");
    EXPECT_EQ(only_noisy(facts_with("proc/loadavg", "0.10 1.00 0.90 9/200 4242\n"), "running"),
              "8");
    EXPECT_EQ(
        only_noisy(
            facts_with("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"),
            "clocksource"),
        "hpet");
}

TEST(Conditions, WhatIsNoFileIsNamedToo) {
    testexp::Facts facts = FakeRoot(quiet_files).facts();

    for (const auto& [name, value] : testexp::Facts{{"clock", "invalid"},
                                                    {"virtualisation", "KVMKVMKVM"},
                                                    {"debug_options", "kasan"},
                                                    {"library_build_type", "debug"}}) {
        testexp::Facts changed = facts;

        std::ranges::find(changed, name, &testexp::Facts::value_type::first)->second = value;
        EXPECT_EQ(only_noisy(changed, name), value);
    }
}

TEST(Conditions, OnlyThrottlingMeanwhileCounts) {
    const auto before = FakeRoot(quiet_files).facts();
    const auto after =
        facts_with("sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "6\n");
    const auto conditions = report::judge_conditions(before, after);

    ASSERT_EQ(conditions.noisy.size(), 1U);
    EXPECT_EQ(conditions.noisy[0].name, "throttled");
    EXPECT_EQ(conditions.noisy[0].found, "2");
    EXPECT_EQ(report::judge_conditions(before, std::nullopt).unknown,
              std::vector<std::string>{"throttled"});
}

TEST(Conditions, WhatAMachineDoesNotSayIsUnknown) {
    const auto facts = FakeRoot({}).facts();
    const auto conditions = report::judge_conditions(facts, facts);

    EXPECT_TRUE(conditions.noisy.empty());
    EXPECT_EQ(conditions.unknown,
              (std::vector<std::string>{"governor", "turbo", "smt", "isolated", "clocksource",
                                        "load", "running", "mitigations", "throttled"}));
}

} // namespace
