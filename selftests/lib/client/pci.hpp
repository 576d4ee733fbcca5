/* SPDX-License-Identifier: GPL-2.0 */
/* PCI devices and their BARs, as sysfs has them. */
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace testexp {

struct PciId {
    unsigned int vendor;
    unsigned int device;
};

/* Name of the first device of this sort that no driver has, e.g. "0000:00:11.0"; "" for none. */
std::string find_free_device(const PciId& id,
                             const std::filesystem::path& devices = "/sys/bus/pci/devices");

/* A BAR by the name that the module's parameter mmio_bar has for it: "0000:00:11.0/2". */
struct PciBar {
    std::string device;
    int number = 0;
    std::uint64_t start = 0; /* physical address */
    std::uint64_t bytes = 0;

    /* The file that maps it into a process. */
    std::string resource_path() const;
};

/* Nothing when there is no such name, device or BAR. */
std::optional<PciBar> find_bar(const std::string& name);

} // namespace testexp
