/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Histograms of latency.json in the report: a table for each tracer, unit and clock, a chart for
 * each function.
 */
#pragma once

#include <vector>

#include "document.hpp"
#include "hist_json.hpp"

namespace report {

using Histograms = std::vector<testexp::NamedHistogram>;

/* Whether a histogram is about a lock, and not about calls of a function. */
bool is_about_locks(const testexp::NamedHistogram& histogram);

/**
 * The charts come before the tables. What all rows of a table have in common stands in its
 * note: the environment, the tracer, and every label with one value. Each histogram needs the
 * label "clock".
 */
std::vector<Block> latency_blocks(const Histograms& latency);

} // namespace report
