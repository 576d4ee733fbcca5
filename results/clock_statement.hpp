/* SPDX-License-Identifier: GPL-2.0 */
/* What numbers are worth, by the clock that took them. */
#pragma once

#include <string>

#include "bench.hpp"
#include "document.hpp"

namespace report {

/* Whether numbers of this clock may be quoted. */
Paragraph clock_statement(const std::string& clock);

/* "instructions (clock: icount)", "TSC cycles (clock: invalid)" */
std::string unit_and_clock(const Bench& bench);

/* "what (clock: ...): why" for each case that has no numbers. */
std::vector<std::string> unmeasured(const Bench& bench);

} // namespace report
