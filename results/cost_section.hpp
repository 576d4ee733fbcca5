/* SPDX-License-Identifier: GPL-2.0 */
/* The part of a report that says what resolving costs. */
#pragma once

#include "bench.hpp"
#include "document.hpp"

namespace report {

/**
 * One section for one pass of the benchmark. Curves are drawn if @with_charts.
 * Every table says which clock counted and how many samples are behind it.
 */
Section cost_section(const std::string& title, const Bench& bench, bool with_charts);

/* "what: why" for each case that has no numbers. */
std::vector<std::string> unmeasured(const Bench& bench);

/* One sentence on what numbers of this clock are worth, and how loud to say it. */
Paragraph clock_statement(const std::string& clock);

} // namespace report
