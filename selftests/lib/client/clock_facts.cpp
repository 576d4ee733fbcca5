// SPDX-License-Identifier: GPL-2.0
#include "clock_facts.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace testexp {

namespace {

/* The first line of the file, or "". */
std::string read_line(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::string line;

    std::getline(file, line);
    return line;
}

#if defined(__x86_64__) || defined(__i386__)
struct Registers {
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
};

/* All zero if the processor does not have this leaf. */
Registers read_leaf(unsigned leaf) {
    Registers registers;

    __get_cpuid(leaf, &registers.eax, &registers.ebx, &registers.ecx, &registers.edx);
    return registers;
}

/* __get_cpuid() checks a limit that the hypervisor's leaves are beyond. */
Registers read_hypervisor_leaf(unsigned leaf) {
    Registers registers;

    __cpuid(leaf, registers.eax, registers.ebx, registers.ecx, registers.edx);
    return registers;
}

void read_processor(ClockFacts& facts) {
    constexpr unsigned features = 1;
    constexpr unsigned hypervisor_bit = 1U << 31;
    constexpr unsigned power_management = 0x80000007;
    constexpr unsigned invariant_tsc_bit = 1U << 8;
    constexpr unsigned hypervisor_name = 0x40000000;
    constexpr unsigned kvm_features = 0x40000001;
    constexpr unsigned kvm_stable_bit = 1U << 24;

    facts.has_cpuid = read_leaf(features).eax != 0;
    facts.is_guest = (read_leaf(features).ecx & hypervisor_bit) != 0;
    facts.invariant_tsc = (read_leaf(power_management).edx & invariant_tsc_bit) != 0;
    if (!facts.is_guest)
        return;

    const Registers name = read_hypervisor_leaf(hypervisor_name);
    std::array<char, 13> text{};

    std::memcpy(text.data(), &name.ebx, 4);
    std::memcpy(text.data() + 4, &name.ecx, 4);
    std::memcpy(text.data() + 8, &name.edx, 4);
    facts.hypervisor = text.data();
    facts.hypervisor.erase(facts.hypervisor.find_last_not_of(' ') + 1);
    if (facts.hypervisor == "KVMKVMKVM")
        facts.kvm_stable_tsc = (read_hypervisor_leaf(kvm_features).eax & kvm_stable_bit) != 0;
}
#else
void read_processor(ClockFacts&) {
}
#endif

/* Words in the firmware's description that mean a virtual machine. */
bool is_virtual(const std::string& machine) {
    constexpr std::array names = {"QEMU",       "KVM",         "Bochs",       "VMware",
                                  "VirtualBox", "innotek",     "Xen",         "Virtual",
                                  "Amazon EC2", "Google",      "OpenStack",   "Parallels",
                                  "bhyve",      "Standard PC", "Firecracker", "cloud-hypervisor"};

    return std::ranges::any_of(names, [&machine](std::string_view name) {
        return machine.find(name) != std::string::npos;
    });
}

/* The processor of a KVM guest is real, but the host decides what its TSC shows. */
ClockVerdict judge_kvm(const ClockFacts& facts) {
    if (!facts.invariant_tsc)
        return {"invalid", "KVM does not promise an invariant TSC"};
    if (facts.clocksource == "tsc")
        return {"tsc", "KVM with an invariant TSC, which the kernel uses as its clock"};
    if (facts.clocksource == "kvm-clock" && facts.kvm_stable_tsc)
        return {"tsc", "KVM with an invariant TSC, stable over all processors"};
    return {"invalid", "KVM, but the kernel's clock is " +
                           (facts.clocksource.empty() ? "unknown" : facts.clocksource) +
                           ", so the TSC may differ between processors"};
}

ClockVerdict judge_guest(const ClockFacts& facts) {
    if (facts.hypervisor == "KVMKVMKVM")
        return judge_kvm(facts);
    if (facts.hypervisor == "TCGTCGTCGTCG")
        return {"invalid", "QEMU emulates the processor (TCG)"};
    return {"invalid", "a guest of " +
                           (facts.hypervisor.empty() ? "an unknown hypervisor" : facts.hypervisor) +
                           ", of whose TSC nothing is known"};
}

/* No hypervisor is visible. One may be hidden, so every fact must speak for real hardware. */
ClockVerdict judge_machine(const ClockFacts& facts) {
    if (!facts.xen.empty())
        return {"invalid", "a guest of " + facts.xen + ", of whose TSC nothing is known"};
    if (is_virtual(facts.machine))
        return {"invalid", "the firmware is that of a virtual machine: " + facts.machine};
    if (!facts.invariant_tsc)
        return {"invalid", "the processor does not promise an invariant TSC"};
    if (facts.clocksource != "tsc")
        return {"invalid", "the kernel does not use the TSC as its clock, but " +
                               (facts.clocksource.empty() ? "one unknown" : facts.clocksource)};
    return {"tsc", "no hypervisor, and an invariant TSC, which the kernel uses as its clock"};
}

} // namespace

ClockFacts read_clock_facts(const std::filesystem::path& root) {
    const char* declared = std::getenv("DMABUF_PFN_CLOCK");
    ClockFacts facts;

    facts.declared = declared != nullptr ? declared : "";
    read_processor(facts);
    facts.clocksource =
        read_line(root / "sys/devices/system/clocksource/clocksource0/current_clocksource");
    facts.xen = read_line(root / "sys/hypervisor/type");
    facts.machine = read_line(root / "sys/class/dmi/id/sys_vendor") + " " +
                    read_line(root / "sys/class/dmi/id/product_name");
    if (facts.machine == " ")
        facts.machine.clear();
    return facts;
}

ClockVerdict judge_clock(const ClockFacts& facts) {
    if (facts.declared == "icount" || facts.declared == "tsc" || facts.declared == "invalid")
        return {facts.declared, "DMABUF_PFN_CLOCK says so"};
    if (!facts.declared.empty())
        return {"invalid", "DMABUF_PFN_CLOCK is no clock: " + facts.declared};
    if (!facts.has_cpuid)
        return {"invalid",
                "without CPUID nothing tells a real processor from an emulated one; on a "
                "real one set DMABUF_PFN_CLOCK=tsc"};
    return facts.is_guest ? judge_guest(facts) : judge_machine(facts);
}

} // namespace testexp
