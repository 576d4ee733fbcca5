// SPDX-License-Identifier: GPL-2.0
#include "kernel_log.hpp"

#include <algorithm>
#include <regex>
#include <string_view>

namespace report {

namespace {

/*
 * How the kernel begins a line about a bug of its own, after the subsystem's name
 * if there is one. The judge of a run is selftests/kernel_bugs.py; both are tested
 * with the same lines.
 */
const std::regex& bug() {
    static const std::regex pattern(
        R"((?:[\w-]+: )?(?:)"
        R"(BUG: |kernel BUG at |BUG [\w:-]+ \(|\[ BUG: |Oops\b|Kernel panic - |PANIC: |)"
        R"(general protection fault|stack segment|divide error|invalid opcode|double fault|)"
        R"(INFO: (?:possible |task .* blocked |trying to register |lockdep is turned off|rcu)|)"
        R"(Watchdog detected |KASAN: |KCSAN: |KFENCE: |UBSAN: |refcount_t: |)"
        R"(list_(?:add|del) corruption)|)"
        R"(kmemleak: (?!Kernel memory leak detector initialized|Automatic memory scanning)|)"
        R"(DMA-API: (?!preallocated |debugging (?:enabled|disabled on)|)"
        R"(dma_debug_entry pool grown|enable driver filter))",
        std::regex::optimize);

    return pattern;
}

/* Without "[  1.234567]" and "[   T12]" at the front. */
std::string_view message(std::string_view line) {
    while (line.starts_with('[') && !line.starts_with("[ BUG: ")) {
        const auto end = line.find(']');

        if (end == std::string_view::npos)
            break;
        line.remove_prefix(std::min(line.find_first_not_of(' ', end + 1), line.size()));
    }
    return line;
}

bool reports_bug(std::string_view text) {
    return std::regex_search(text.begin(), text.end(), bug(),
                             std::regex_constants::match_continuous);
}

} // namespace

KernelLog parse_kernel_log(std::istream& input) {
    constexpr std::string_view begin_splat = "expect-splat: begin ";
    KernelLog log;
    bool warnings = false;
    std::string splat; /* announced, and not yet seen */

    for (std::string line; std::getline(input, line);) {
        const std::string_view text = message(line);
        const bool warning = text.starts_with("WARNING: ");

        if (line.find("expect-warning: begin") != std::string::npos) {
            warnings = true;
        } else if (line.find("expect-warning: end") != std::string::npos) {
            warnings = false;
        } else if (const auto at = line.find(begin_splat); at != std::string::npos) {
            splat = line.substr(at + begin_splat.size());
        } else if (line.find("expect-splat: end") != std::string::npos) {
            splat.clear();
        } else if (warnings && warning) {
            log.announced_warnings++;
        } else if (!splat.empty() && (warning || reports_bug(text)) &&
                   text.find(splat) != std::string_view::npos) {
            log.announced_warnings++;
            splat.clear();
        } else if (warning || reports_bug(text)) {
            log.bugs.push_back(line);
        }
    }
    return log;
}

} // namespace report
