// SPDX-License-Identifier: GPL-2.0
#include "environment.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string_view>

#include <sys/utsname.h>
#include <unistd.h>

#include "clock_facts.hpp"

namespace testexp {

namespace {

constexpr const char* unknown = "unknown";

std::string variable(const char* name, const char* fallback) {
    const char* value = std::getenv(name);

    return value != nullptr && *value != '\0' ? value : fallback;
}

std::string join(const std::vector<std::string>& words) {
    std::string text;

    for (const std::string& word : words)
        text.append(text.empty() ? "" : " ").append(word);
    return text;
}

/* The whole file without the last line end, or "unknown". */
std::string read_text(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::string text{std::istreambuf_iterator<char>(file), {}};

    while (!text.empty() && text.back() == '\n')
        text.pop_back();
    return text.empty() ? unknown : text;
}

/* The value of the first line "name : value". */
std::string read_field(const std::filesystem::path& path, std::string_view name) {
    std::ifstream file(path);

    for (std::string line; std::getline(file, line);) {
        const auto colon = line.find(':');
        const auto begin = line.find_first_not_of(" \t", colon + 1);

        if (line.starts_with(name) && colon != std::string::npos && begin != std::string::npos)
            return line.substr(begin);
    }
    return unknown;
}

/* Turns "1" and "0" in the file into "on" and "off". @on is the one that means on. */
std::string read_switch(const std::filesystem::path& path, const std::string& on = "1") {
    const std::string text = read_text(path);

    if (text != "0" && text != "1")
        return unknown;
    return text == on ? "on" : "off";
}

std::string read_turbo(const std::filesystem::path& cpu) {
    const std::string pstate = read_switch(cpu / "intel_pstate/no_turbo", "0");

    return pstate != unknown ? pstate : read_switch(cpu / "cpufreq/boost");
}

/* Each directory cpuN in @cpu. */
std::vector<std::filesystem::path> processors(const std::filesystem::path& cpu) {
    std::vector<std::filesystem::path> found;
    std::error_code error;

    for (const auto& entry : std::filesystem::directory_iterator(cpu, error)) {
        const std::string name = entry.path().filename();

        if (name.starts_with("cpu") && name.find_first_not_of("0123456789", 3) == name.npos &&
            name.size() > 3)
            found.push_back(entry.path());
    }
    return found;
}

std::string read_governors(const std::filesystem::path& cpu) {
    std::set<std::string> governors;

    for (const auto& processor : processors(cpu))
        governors.insert(read_text(processor / "cpufreq/scaling_governor"));
    if (governors.size() > 1)
        governors.erase(unknown); /* of processors that are offline */
    return governors.empty() ? unknown : join({governors.begin(), governors.end()});
}

/* The file is empty if no processor is isolated, and missing if the kernel does not say. */
std::string read_isolated(const std::filesystem::path& cpu) {
    const std::string list = read_text(cpu / "isolated");

    return list == unknown && std::filesystem::exists(cpu / "isolated") ? "none" : list;
}

std::string read_throttled(const std::filesystem::path& cpu) {
    std::optional<std::uint64_t> events;

    for (const auto& processor : processors(cpu)) {
        std::ifstream file(processor / "thermal_throttle/core_throttle_count");

        if (std::uint64_t count = 0; file >> count)
            events = events.value_or(0) + count;
    }
    return events ? std::to_string(*events) : unknown;
}

/* "0.52 0.58 0.59 3/467 12345" means that three tasks run; one of them is this process. */
void read_load(const std::filesystem::path& loadavg, Environment& environment) {
    std::ifstream file(loadavg);
    std::string five_minutes;
    std::string quarter;
    int running = 0;

    environment.load = environment.running = unknown;
    if (file >> environment.load >> five_minutes >> quarter >> running)
        environment.running = std::to_string(std::max(0, running - 1));
}

std::string read_memory(const std::filesystem::path& meminfo) {
    const std::string total = read_field(meminfo, "MemTotal");

    if (total == unknown)
        return unknown;
    return std::to_string(std::stoull(total) / 1024) + " MiB";
}

/* The second group in brackets: "Linux version R (who@where) (compiler, linker) #1 ...". */
std::string read_kernel_compiler(const std::filesystem::path& version) {
    const std::string text = read_text(version);
    const auto begin = text.find(") (");
    const auto end = text.find(") #", begin);

    if (begin == std::string::npos || end == std::string::npos)
        return unknown;
    return text.substr(begin + 3, end - begin - 3);
}

/* "mitigated: a b; vulnerable: c", without vulnerabilities that this CPU does not have. */
std::string read_mitigations(const std::filesystem::path& directory) {
    std::map<std::string, std::string> names; /* by state; sorted */
    std::map<std::string, std::string> files;
    std::error_code error;
    std::string text;

    for (const auto& entry : std::filesystem::directory_iterator(directory, error))
        files[entry.path().filename()] = read_text(entry.path());
    for (const auto& [name, state] : files) {
        if (state.starts_with("Mitigation"))
            names["mitigated:"] += " " + name;
        else if (!state.starts_with("Not affected"))
            names["vulnerable:"] += " " + name;
    }
    for (const auto& [state, list] : names)
        text.append(text.empty() ? "" : "; ").append(state).append(list);
    return text.empty() ? (files.empty() ? unknown : "none needed") : text;
}

/* The signature in CPUID's hypervisor leaf, e.g. KVMKVMKVM or TCGTCGTCGTCG. */
std::string hypervisor_of(const ClockFacts& facts) {
    if (!facts.has_cpuid)
        return unknown;
    if (!facts.is_guest)
        return "none";
    return facts.hypervisor.empty() ? unknown : facts.hypervisor;
}

std::string kernel_release() {
    utsname name{};

    return uname(&name) == 0 ? name.release : unknown;
}

std::string compiler_name() {
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "g++ " __VERSION__;
#endif
}

/*
 * The same unit as testexp_clock() of the module. The TSC has a constant rate, whatever the
 * frequency of the core is: its cycles are not those that perf counts.
 */
std::string tick_unit(const std::string& clock) {
    if (clock == "icount")
        return "instructions";
#if defined(__x86_64__) || defined(__i386__)
    return "TSC cycles";
#else
    return "ns";
#endif
}

std::vector<std::string> debug_options(std::uint32_t features) {
    std::vector<std::string> names;

    if ((features & TESTEXP_FEAT_LOCKDEP) != 0)
        names.emplace_back("lockdep");
    if ((features & TESTEXP_FEAT_KASAN) != 0)
        names.emplace_back("kasan");
    if ((features & TESTEXP_FEAT_DMABUF_DEBUG) != 0)
        names.emplace_back("dmabuf_debug");
    return names;
}

/* What kind of DMA addresses the importers' device has. Only a direct one is a physical address. */
std::string read_dma(const std::string& device, const std::filesystem::path& root) {
    for (const char* bus : {"pci", "platform"}) {
        const std::string type =
            read_text(root / "sys/bus" / bus / "devices" / device / "iommu_group/type");

        if (type != unknown && type != "identity")
            return "iommu";
    }
    return read_text(root / "proc/cmdline").find("swiotlb=force") != std::string::npos ? "swiotlb"
                                                                                       : "direct";
}

void read_module(const testexp_info& info, Environment& environment) {
    environment.api = (info.features & TESTEXP_FEAT_NATIVE) != 0 ? "native" : "compat";
    environment.abi = std::to_string(info.abi_version);
    environment.debug_options = debug_options(info.features);
}

} // namespace

Environment read_environment(const std::optional<testexp_info>& info,
                             const std::filesystem::path& root) {
    const std::filesystem::path proc = root / "proc";
    const std::filesystem::path cpu = root / "sys/devices/system/cpu";
    const ClockFacts clock = read_clock_facts(root);
    const ClockVerdict verdict = judge_clock(clock);
    Environment found;

    found.clock = verdict.clock;
    found.clock_why = verdict.why;
    found.unit = tick_unit(found.clock);
    found.kernel = kernel_release();
    found.flavour = variable("DMABUF_PFN_FLAVOUR", "running");
    found.api = unknown;
    found.abi = unknown;
    found.dma = unknown;
    found.revision = variable("DMABUF_PFN_REVISION", unknown);
    found.kernel_compiler = read_kernel_compiler(proc / "version");
    found.compiler = compiler_name();
    found.cpu = read_field(proc / "cpuinfo", "model name");
    found.cpus = std::to_string(sysconf(_SC_NPROCESSORS_ONLN));
    found.memory = read_memory(proc / "meminfo");
    found.virtualisation = hypervisor_of(clock);
    found.clocksource = clock.clocksource.empty() ? unknown : clock.clocksource;
    found.governor = read_governors(cpu);
    found.turbo = read_turbo(cpu);
    found.smt = read_switch(cpu / "smt/active");
    found.isolated = read_isolated(cpu);
    found.throttled = read_throttled(cpu);
    found.mitigations = read_mitigations(cpu / "vulnerabilities");
    found.tuned = variable("DMABUF_PFN_TUNED", "none");
    found.cmdline = read_text(proc / "cmdline");
    read_load(proc / "loadavg", found);
    if (info) {
        read_module(*info, found);
        found.dma = read_dma(info->importer_device, root);
    }
    return found;
}

Facts Environment::facts() const {
    return {
        {"clock", clock},
        {"clock_why", clock_why},
        {"unit", unit},
        {"kernel", kernel},
        {"flavour", flavour},
        {"api", api},
        {"abi", abi},
        {"debug_options", debug_options.empty() ? "none" : join(debug_options)},
        {"dma", dma},
        {"revision", revision},
        {"kernel_compiler", kernel_compiler},
        {"compiler", compiler},
        {"cpu", cpu},
        {"cpus", cpus},
        {"memory", memory},
        {"virtualisation", virtualisation},
        {"clocksource", clocksource},
        {"governor", governor},
        {"turbo", turbo},
        {"smt", smt},
        {"isolated", isolated},
        {"load", load},
        {"running", running},
        {"throttled", throttled},
        {"mitigations", mitigations},
        {"tuned", tuned},
        {"cmdline", cmdline},
    };
}

} // namespace testexp
