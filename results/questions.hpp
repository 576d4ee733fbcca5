/* SPDX-License-Identifier: GPL-2.0 */
/* Tables that answer one question each from the cases of a benchmark. */
#pragma once

#include <vector>

#include "bench.hpp"
#include "document.hpp"

namespace report {

/* What one operation is measured on: 2 MiB in one extent, or the smallest there is. */
const BenchCase* simplest_case(const Bench& bench, const std::string& path);

/* "instructions (clock: icount)" */
std::string unit_and_clock(const Bench& bench);

/**
 * What each path gives for its cost; lookup by number of extents; single operations;
 * what sequence, exporter and first touch change; sizes beyond memory; the figures that
 * the paths are judged by. Without cases for it a table is left out.
 */
std::vector<Table> question_tables(const Bench& bench);

} // namespace report
