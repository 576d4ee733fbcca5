// SPDX-License-Identifier: GPL-2.0
#include "module_parameters.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "ivshmem.hpp"

namespace testexp {

namespace {

std::string variable(const char* name, const std::string& otherwise) {
    const char* text = std::getenv(name);

    return text ? text : otherwise;
}

/* Whether this file of the kernel has the value 0. */
bool is_zero(const std::filesystem::path& path) {
    std::string value;

    std::ifstream(path) >> value;
    return value == "0";
}

/*
 * Whether the kernel was started with panic_on_taint= and a mask that has the taint of a WARNING.
 * The kernel reads the mask as a hexadecimal number, and takes '-' in a name for '_'.
 */
bool panics_on_taint_of_warnings(const std::filesystem::path& command_line) {
    constexpr std::string_view name = "panic_on_taint=";
    constexpr unsigned long taint_warn = 1UL << 9;
    std::ifstream words(command_line);
    std::string word;

    while (words >> word) {
        std::ranges::replace(word, '-', '_');
        if (word.starts_with(name) &&
            (std::strtoul(word.c_str() + name.size(), nullptr, 16) & taint_warn) != 0)
            return true;
    }
    return false;
}

/* A machine that does not say what a WARNING does may panic. Kernels before 6.2 have no limit. */
bool survives_warnings(const MachineFiles& files) {
    return is_zero(files.panic_on_warn) &&
           (!std::filesystem::exists(files.warn_limit) || is_zero(files.warn_limit)) &&
           !panics_on_taint_of_warnings(files.command_line);
}

} // namespace

/*
 * Misuse of the API, which the kernel answers with a WARNING, is allowed unless WARNINGs may end in
 * a panic here. The BAR of QEMU's ivshmem is plain memory, so the module may use it; any other
 * device must be named.
 */
std::string module_parameters(const MachineFiles& files) {
    const std::string found = find_free_device(ivshmem_id, files.pci_devices);
    const std::string bar = variable(
        "TESTEXP_MMIO_BAR", found.empty() ? "" : found + "/" + std::to_string(ivshmem_bar));
    const std::string importer = variable("TESTEXP_IMPORTER_DEVICE", "");
    std::string parameters;

    if (variable("TESTEXP_ALLOW_MISUSE", survives_warnings(files) ? "1" : "0") == "1")
        parameters += " allow_misuse=1";
    if (!bar.empty())
        parameters += " mmio_bar=" + bar;
    if (!importer.empty())
        parameters += " importer_device=" + importer;
    return parameters;
}

} // namespace testexp
