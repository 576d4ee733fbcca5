/* SPDX-License-Identifier: GPL-2.0 */
/* What the test module is loaded with: the one place that decides. */
#pragma once

#include <filesystem>
#include <string>

namespace testexp {

/* Where the kernel says what decides. Tests have files of their own. */
struct MachineFiles {
    std::filesystem::path panic_on_warn = "/proc/sys/kernel/panic_on_warn";
    std::filesystem::path pci_devices = "/sys/bus/pci/devices";
};

/*
 * Words "name=value", by what the machine and the environment say. TESTEXP_MMIO_BAR
 * and TESTEXP_IMPORTER_DEVICE name devices, and TESTEXP_ALLOW_MISUSE is 1 or 0. A
 * program that brings the module loads it with these, and so does selftests/run.
 */
std::string module_parameters(const MachineFiles& files = {});

} // namespace testexp
