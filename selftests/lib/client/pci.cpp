// SPDX-License-Identifier: GPL-2.0
#include "pci.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>

namespace testexp {

namespace {

const std::filesystem::path all_devices = "/sys/bus/pci/devices";

unsigned int read_hex(const std::filesystem::path& path) {
    unsigned int value = 0;

    std::ifstream(path) >> std::hex >> value;
    return value;
}

} // namespace

std::string find_free_device(const PciId& id, const std::filesystem::path& devices,
                             const std::string& except) {
    std::set<std::filesystem::path> paths; /* sorted, because the directory is not */
    std::error_code error;

    for (const auto& entry : std::filesystem::directory_iterator(devices, error))
        paths.insert(entry.path());
    for (const std::filesystem::path& path : paths)
        if (read_hex(path / "vendor") == id.vendor && read_hex(path / "device") == id.device &&
            !std::filesystem::exists(path / "driver") && path.filename() != except)
            return path.filename();
    return "";
}

std::string PciBar::resource_path() const {
    return all_devices / device / ("resource" + std::to_string(number));
}

/* Each line of the file "resource" has the first byte, the last byte and the flags of a BAR. */
std::optional<PciBar> find_bar(const std::string& name) {
    const auto slash = name.find('/');
    PciBar bar{.device = name.substr(0, slash)};
    std::uint64_t last = 0;
    std::string rest;

    if (slash == std::string::npos)
        return std::nullopt;
    bar.number = std::atoi(name.c_str() + slash + 1);

    std::ifstream file(all_devices / bar.device / "resource");

    for (int line = 0; line < bar.number; line++)
        std::getline(file, rest);
    if (!(file >> std::hex >> bar.start >> last) || last <= bar.start)
        return std::nullopt;
    bar.bytes = last - bar.start + 1;
    return bar;
}

} // namespace testexp
