/* SPDX-License-Identifier: GPL-2.0 */
/* The parameters that the test module is loaded with. */
#pragma once

#include <filesystem>
#include <string>

namespace testexp {

/* The files that the decisions are read from. Unit tests pass files of their own. */
struct MachineFiles {
    std::filesystem::path panic_on_warn = "/proc/sys/kernel/panic_on_warn";
    std::filesystem::path warn_limit = "/proc/sys/kernel/warn_limit";
    std::filesystem::path command_line = "/proc/cmdline";
    std::filesystem::path pci_devices = "/sys/bus/pci/devices";
};

/*
 * Words "name=value", depending on machine and environment. TESTEXP_MMIO_BAR and
 * TESTEXP_IMPORTER_DEVICE name devices; TESTEXP_ALLOW_MISUSE is 1 or 0. Both a program that loads
 * the module itself and selftests/run use these parameters.
 */
std::string module_parameters(const MachineFiles& files = {});

} // namespace testexp
