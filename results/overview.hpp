/* SPDX-License-Identifier: GPL-2.0 */
/* The first screen of the report: what was tested, the main figures, what was not measured. */
#pragma once

#include <string>
#include <vector>

#include "document.hpp"
#include "run_dir.hpp"

namespace report {

std::string make_title(const RunDir& run);

/* One sentence: kernel flavour, machine, module. */
std::string describe_subject(const RunDir& run);

/**
 * The pictures of cost, contention and stale PFNs, and what the run did not measure.
 * @unmeasured: "what: why" for each part and case.
 */
std::vector<Block> make_overview(const RunDir& run, const std::vector<std::string>& unmeasured);

} // namespace report
