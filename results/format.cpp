// SPDX-License-Identifier: GPL-2.0
#include "format.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>

namespace report {

std::string show_number(double value) {
    constexpr double grouped_from = 999.995;

    if (std::fabs(value) < grouped_from)
        return value == std::floor(value) ? fmt::format("{:.0f}", value)
                                          : fmt::format("{:.2f}", value);

    std::string digits = fmt::format("{:.0f}", value);

    for (std::size_t from_end = 3; from_end < digits.size() - (value < 0 ? 1 : 0); from_end += 4)
        digits.insert(digits.size() - from_end, 1, ',');
    return digits;
}

std::string show_number(std::optional<double> value) {
    return value ? show_number(*value) : "–";
}

std::string show_ratio(double value, double reference) {
    if (reference <= 0)
        return "–";

    const double ratio = value / reference;

    return (ratio < 100 ? fmt::format("{:.2f}", ratio) : show_number(std::round(ratio))) + "×";
}

std::string show_bytes(std::uint64_t bytes) {
    constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;

    while (bytes >= 1024 && bytes % 1024 == 0 && unit + 1 < units.size()) {
        bytes /= 1024;
        unit++;
    }
    return fmt::format("{} {}", bytes, units.at(unit));
}

} // namespace report
