/* SPDX-License-Identifier: GPL-2.0 */
/* PCI devices and their BARs, read from sysfs. */
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

/*
 * Name of the first device with this id and without a driver, e.g. "0000:00:11.0"; "" for none. The
 * device with the name @except does not count.
 */
std::string find_free_device(const PciId& id,
                             const std::filesystem::path& devices = "/sys/bus/pci/devices",
                             const std::string& except = "");

/* A BAR, by the name that the module's parameter mmio_bar uses: "0000:00:11.0/2". */
struct PciBar {
    std::string device;
    int number = 0;
    std::uint64_t start = 0; /* physical address */
    std::uint64_t bytes = 0;

    /* The file through which a process maps the BAR. */
    std::string resource_path() const;
};

/* Nothing if there is no such device or BAR. */
std::optional<PciBar> find_bar(const std::string& name);

} // namespace testexp
