// SPDX-License-Identifier: GPL-2.0
/* Times may be quoted only where everything speaks for the clock; each doubt alone makes it
 * invalid. */
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

TEST(Clock, RealHardwareIsTrusted) {
    ClockFacts facts = hardware();

    EXPECT_EQ(clock_of(facts), "tsc");
    facts.machine = "";
    EXPECT_EQ(clock_of(facts), "tsc") << "not every firmware has a name";
}

TEST(Clock, EachDoubtAboutHardwareIsEnough) {
    ClockFacts facts = hardware();

    facts.invariant_tsc = false;
    EXPECT_EQ(clock_of(facts), "invalid");
    facts = hardware();
    facts.clocksource = "hpet";
    EXPECT_EQ(clock_of(facts), "invalid");
    facts.clocksource = "";
    EXPECT_EQ(clock_of(facts), "invalid");
    facts = hardware();
    facts.xen = "xen";
    EXPECT_EQ(clock_of(facts), "invalid");
    facts = hardware();
    facts.machine = "QEMU Standard PC (i440FX + PIIX, 1996)";
    EXPECT_EQ(clock_of(facts), "invalid") << "an emulator that hides the hypervisor bit";
}

TEST(Clock, EmulatedProcessorIsNot) {
    EXPECT_EQ(clock_of(guest_of("TCGTCGTCGTCG")), "invalid");
}

TEST(Clock, KvmIsTrustedOnlyWithItsPromises) {
    ClockFacts facts = guest_of("KVMKVMKVM");

    EXPECT_EQ(clock_of(facts), "tsc");
    facts.clocksource = "kvm-clock";
    EXPECT_EQ(clock_of(facts), "invalid");
    facts.kvm_stable_tsc = true;
    EXPECT_EQ(clock_of(facts), "tsc");
    facts.invariant_tsc = false;
    EXPECT_EQ(clock_of(facts), "invalid");
    facts.clocksource = "tsc";
    EXPECT_EQ(clock_of(facts), "invalid");
}

TEST(Clock, OtherHypervisorsAreNot) {
    for (const char* name : {"", "Microsoft Hv", "VMwareVMware", "XenVMMXenVMM", "bhyve bhyve"})
        EXPECT_EQ(clock_of(guest_of(name)), "invalid") << name;
}

TEST(Clock, WhoStartedTheMachineKnows) {
    ClockFacts facts = guest_of("TCGTCGTCGTCG");

    for (const char* declared : {"icount", "tsc", "invalid"}) {
        facts.declared = declared;
        EXPECT_EQ(clock_of(facts), declared);
    }
    facts = hardware();
    facts.declared = "TSC";
    EXPECT_EQ(clock_of(facts), "invalid") << "a typing error vouches for nothing";
}

TEST(Clock, WithoutCpuidNothingIsKnown) {
    ClockFacts facts = hardware();

    facts.has_cpuid = false;
    EXPECT_EQ(clock_of(facts), "invalid");
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
