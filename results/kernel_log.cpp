// SPDX-License-Identifier: GPL-2.0
#include "kernel_log.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace report {

namespace {

/* How the kernel begins a line about a bug of its own. */
constexpr auto beginnings = std::to_array<std::string_view>(
    {"BUG: ", "INFO: possible ", "INFO: task ", "KASAN: ", "Kernel panic - ", "Oops",
     "UBSAN: ", "WARNING: ", "divide error", "general protection fault", "invalid opcode",
     "kernel BUG at ", "kmemleak: ", "stack segment", "watchdog: BUG"});

/* Without "[  1.234567]" and "[   T12]" at the front. */
std::string_view message(std::string_view line) {
    while (line.starts_with('[')) {
        const auto end = line.find(']');

        if (end == std::string_view::npos)
            break;
        line.remove_prefix(std::min(line.find_first_not_of(' ', end + 1), line.size()));
    }
    return line;
}

bool reports_bug(std::string_view text) {
    return std::ranges::any_of(beginnings, [text](auto begin) { return text.starts_with(begin); });
}

} // namespace

KernelLog parse_kernel_log(std::istream& input) {
    KernelLog log;
    bool announced = false;

    for (std::string line; std::getline(input, line);) {
        if (line.find("expect-warning: begin") != std::string::npos)
            announced = true;
        else if (line.find("expect-warning: end") != std::string::npos)
            announced = false;
        else if (announced && message(line).starts_with("WARNING: "))
            log.announced_warnings++;
        else if (reports_bug(message(line)))
            log.bugs.push_back(line);
    }
    return log;
}

} // namespace report
