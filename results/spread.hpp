/* SPDX-License-Identifier: GPL-2.0 */
/* How far the repetitions of each case lie apart, and what their median is worth. */
#pragma once

#include <vector>

#include "bench.hpp"
#include "document.hpp"

namespace report {

/* A sentence that depends on the clock; for times also the smallest buffer, and all cases in
 * detail. */
std::vector<Block> spread_blocks(const Bench& bench);

} // namespace report
