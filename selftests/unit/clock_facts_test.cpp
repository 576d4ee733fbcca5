// SPDX-License-Identifier: GPL-2.0
/* A single doubt makes a clock invalid: times may be quoted only of a clock without any. */
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "clock_facts.hpp"
#include "environment.hpp"
#include "scratch.hpp"

namespace {

using testexp::ClockFacts;

std::string clock_of(const ClockFacts& facts) {
    const auto verdict = testexp::judge_clock(facts);

    EXPECT_FALSE(verdict.why.empty());
    return verdict.clock;
}

ClockFacts hardware() {
    ClockFacts facts;

    facts.has_cpuid = true;
    facts.invariant_tsc = true;
    facts.clocksource = "tsc";
    facts.machine = "Dell Inc. PowerEdge R640";
    return facts;
}

ClockFacts guest_of(const std::string& hypervisor) {
    ClockFacts facts = hardware();

    facts.is_guest = true;
    facts.hypervisor = hypervisor;
    facts.machine = "QEMU Standard PC (Q35 + ICH9, 2009)";
    return facts;
}

/* One fact that is different. */
struct Change {
    const char* what;
    void (*make)(ClockFacts& facts);
};

std::string clock_after(ClockFacts facts, const Change& change) {
    change.make(facts);
    return clock_of(facts);
}

TEST(Clock, RealHardwareIsTrusted) {
    EXPECT_EQ(clock_of(hardware()), "tsc");
    EXPECT_EQ(clock_after(hardware(), {"", [](ClockFacts& f) { f.machine = ""; }}), "tsc")
        << "not every firmware has a name";
}

TEST(Clock, EachDoubtAboutHardwareIsEnough) {
    constexpr Change doubts[] = {
        {"no invariant TSC", [](ClockFacts& f) { f.invariant_tsc = false; }},
        {"another clock source", [](ClockFacts& f) { f.clocksource = "hpet"; }},
        {"no clock source", [](ClockFacts& f) { f.clocksource = ""; }},
        {"a guest of Xen", [](ClockFacts& f) { f.xen = "xen"; }},
        {"an emulator that hides the hypervisor bit",
         [](ClockFacts& f) { f.machine = "QEMU Standard PC (i440FX + PIIX, 1996)"; }},
        {"no CPUID", [](ClockFacts& f) { f.has_cpuid = false; }},
        {"a typing error in DMABUF_PFN_CLOCK", [](ClockFacts& f) { f.declared = "TSC"; }},
    };

    for (const Change& doubt : doubts)
        EXPECT_EQ(clock_after(hardware(), doubt), "invalid") << doubt.what;
}

TEST(Clock, OnlyKvmIsTrustedOfTheHypervisors) {
    EXPECT_EQ(clock_of(guest_of("KVMKVMKVM")), "tsc");
    for (const char* name :
         {"", "TCGTCGTCGTCG", "Microsoft Hv", "VMwareVMware", "XenVMMXenVMM", "bhyve bhyve"})
        EXPECT_EQ(clock_of(guest_of(name)), "invalid") << name;
}

/* KVM needs an invariant TSC, and kvm-clock besides the promise that the TSC is stable. */
TEST(Clock, KvmIsTrustedOnlyWithItsPromises) {
    const struct {
        const char* clocksource;
        bool stable;
        bool invariant;
        const char* clock;
    } rows[] = {
        {"tsc", false, true, "tsc"},           {"tsc", true, false, "invalid"},
        {"kvm-clock", false, true, "invalid"}, {"kvm-clock", true, true, "tsc"},
        {"kvm-clock", true, false, "invalid"},
    };

    for (const auto& row : rows) {
        ClockFacts facts = guest_of("KVMKVMKVM");

        facts.clocksource = row.clocksource;
        facts.kvm_stable_tsc = row.stable;
        facts.invariant_tsc = row.invariant;
        EXPECT_EQ(clock_of(facts), row.clock)
            << row.clocksource << ", stable " << row.stable << ", invariant " << row.invariant;
    }
}

/* DMABUF_PFN_CLOCK comes from whoever started the machine. */
TEST(Clock, ADeclaredClockIsTaken) {
    for (const char* declared : {"icount", "tsc", "invalid"}) {
        ClockFacts facts = guest_of("TCGTCGTCGTCG");

        facts.declared = declared;
        EXPECT_EQ(clock_of(facts), declared);
    }
}

TEST(Clock, FactsAreReadWhereTheyAre) {
    const Scratch scratch;
    const auto write = [&scratch](const std::filesystem::path& file, const char* text) {
        std::filesystem::create_directories((scratch.path / file).parent_path());
        std::ofstream(scratch.path / file) << text << "\n";
    };

    unsetenv("DMABUF_PFN_CLOCK");
    write("sys/devices/system/clocksource/clocksource0/current_clocksource", "acpi_pm");
    write("sys/hypervisor/type", "xen");
    write("sys/class/dmi/id/sys_vendor", "QEMU");
    write("sys/class/dmi/id/product_name", "Standard PC");

    const ClockFacts facts = testexp::read_clock_facts(scratch.path);

    EXPECT_EQ(facts.declared, "");
    EXPECT_EQ(facts.clocksource, "acpi_pm");
    EXPECT_EQ(facts.xen, "xen");
    EXPECT_EQ(facts.machine, "QEMU Standard PC");
    EXPECT_EQ(testexp::read_environment(std::nullopt, scratch.path).clock, "invalid")
        << "and the environment has that verdict";
}

} // namespace
