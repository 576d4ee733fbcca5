/* SPDX-License-Identifier: GPL-2.0 */
/* What was seen with probes, and what looking cost. */
#pragma once

#include <string>
#include <vector>

#include "bench.hpp"
#include "document.hpp"
#include "hist_json.hpp"

namespace report {

/* Results of bench_probe: what each tracer adds to a call. */
Section probe_cost_section(const Bench& bench);

/* Whether a histogram is about a lock, and not about calls of a function. */
bool is_about_locks(const testexp::NamedHistogram& histogram);

} // namespace report
