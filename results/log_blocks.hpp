/* SPDX-License-Identifier: GPL-2.0 */
/* A judged kernel log, in the report. */
#pragma once

#include <vector>

#include "document.hpp"
#include "log_verdict.hpp"

namespace report {

/* Whether the log was judged, and the lines that report a bug. */
std::vector<Block> log_blocks(const LogVerdict& log);

} // namespace report
