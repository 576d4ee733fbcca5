/* SPDX-License-Identifier: GPL-2.0 */
/* What numbers are worth, by the clock that took them. */
#pragma once

#include <string>
#include <vector>

#include "bench.hpp"
#include "document.hpp"

namespace report {

/* Whether numbers of this clock may be quoted. */
Paragraph clock_statement(const std::string& clock);

/* "instructions (clock: icount)", "TSC cycles (clock: invalid)" */
std::string unit_and_clock(const Bench& bench);

/* "what (clock: ...): why" for each case that has no numbers. */
std::vector<std::string> unmeasured(const Bench& bench);

/* Joins lines of unmeasured() that differ only in their clock: they become one line without it. */
std::vector<std::string> merge_clocks(const std::vector<std::string>& lines,
                                      const std::vector<const Bench*>& benches);

} // namespace report
