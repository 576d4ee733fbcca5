// SPDX-License-Identifier: GPL-2.0
#include "iomem.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace check {

Iomem Iomem::parse(std::istream& lines) {
    Iomem iomem;

    for (std::string line; std::getline(lines, line);) {
        unsigned long long first = 0, last = 0;
        const std::size_t colon = line.find(" : ");

        if (colon != std::string::npos &&
            std::sscanf(line.c_str(), " %llx-%llx", &first, &last) == 2)
            iomem.ranges_.push_back({first, last, line.substr(colon + 3)});
    }
    return iomem;
}

Iomem Iomem::read() {
    std::ifstream file("/proc/iomem");
    Iomem iomem = parse(file);

    if (std::ranges::all_of(iomem.ranges_, [](const Range& range) { return range.last == 0; }))
        throw std::runtime_error("/proc/iomem hides the addresses: run as root");
    return iomem;
}

std::string Iomem::name_of(std::uint64_t address) const {
    std::string name;

    for (const Range& range : ranges_)
        if (address >= range.first && address <= range.last)
            name += (name.empty() ? "" : " / ") + range.name;
    return name;
}

bool Iomem::is_memory(std::string_view name) {
    constexpr std::array<std::string_view, 4> kinds = {"System RAM", "Persistent Memory",
                                                       "Soft Reserved", "CXL"};

    return std::ranges::any_of(kinds, [=](auto kind) { return name.starts_with(kind); });
}

bool Iomem::is_kernel(std::string_view name) {
    return name.find("/ Kernel ") != std::string_view::npos;
}

} // namespace check
