/* SPDX-License-Identifier: GPL-2.0 */
/* How many stale PFNs importers held while their buffer moved again and again. */
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "document.hpp"

namespace report {

struct StormResult {
    std::string importer;      /* locked, seq_retry or naive */
    std::uint64_t audited = 0; /* installed entries that AUDIT looked at */
    std::uint64_t stale = 0;   /* entries whose PFN was no longer the buffer's */
};

/**
 * Reads ktap/move_storm.ktap: a case P1.storm[importer=NAME] after a line
 * "# ... N audited, M stale, ...".
 */
std::vector<StormResult> parse_storm(std::istream& ktap);

/* Nothing when there is no result. */
std::optional<Bars> storm_bars(const std::vector<StormResult>& results);

} // namespace report
