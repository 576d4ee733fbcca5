// SPDX-License-Identifier: GPL-2.0
#include "module_parameters.hpp"

#include <cstdlib>
#include <fstream>

#include "ivshmem.hpp"

namespace testexp {

namespace {

std::string variable(const char* name, const std::string& otherwise) {
    const char* text = std::getenv(name);

    return text ? text : otherwise;
}

/* A machine that does not say what a WARNING does may panic. */
bool survives_warnings(const std::filesystem::path& panic_on_warn) {
    std::string value;

    std::ifstream(panic_on_warn) >> value;
    return value == "0";
}

} // namespace

/*
 * Misuse of the API, which the kernel answers with a WARNING, is allowed unless a WARNING is a
 * panic here. The BAR of QEMU's ivshmem is plain memory, so the module may use it; any other device
 * must be named.
 */
std::string module_parameters(const MachineFiles& files) {
    const std::string found = find_free_device(ivshmem_id, files.pci_devices);
    const std::string bar = variable(
        "TESTEXP_MMIO_BAR", found.empty() ? "" : found + "/" + std::to_string(ivshmem_bar));
    const std::string importer = variable("TESTEXP_IMPORTER_DEVICE", "");
    std::string parameters;

    if (variable("TESTEXP_ALLOW_MISUSE", survives_warnings(files.panic_on_warn) ? "1" : "0") == "1")
        parameters += " allow_misuse=1";
    if (!bar.empty())
        parameters += " mmio_bar=" + bar;
    if (!importer.empty())
        parameters += " importer_device=" + importer;
    return parameters;
}

} // namespace testexp
