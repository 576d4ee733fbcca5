// SPDX-License-Identifier: GPL-2.0
/* The kernel log of the whole run. */
#include <fmt/format.h>

#include "log_blocks.hpp"
#include "sections.hpp"

namespace report {

std::vector<Block> log_blocks(const LogVerdict& log) {
    std::vector<Block> blocks;

    if (!log.is_judged)
        blocks.emplace_back(Paragraph{"Not judged: " + log.why, Tone::warning});
    blocks.emplace_back(Paragraph{
        fmt::format("Lines that report a bug: {}. Reports that tests provoked on purpose: {}.",
                    log.bugs.size(), log.announced),
        log.bugs.empty() ? Tone::plain : Tone::bad});
    if (!log.bugs.empty())
        blocks.emplace_back(Excerpt{log.bugs});
    return blocks;
}

std::optional<Section> log_section(RunDir& run) {
    if (!run.kernel_log)
        return Section{"Kernel log", {Paragraph{"Not recorded.", Tone::warning}}};
    return Section{"Kernel log", log_blocks(*run.kernel_log), !run.kernel_log->bugs.empty()};
}

} // namespace report
