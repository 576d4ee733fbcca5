/* SPDX-License-Identifier: GPL-2.0 */
/* Histograms in the formats of other programs. Pure. */
#pragma once

#include <span>
#include <string>

#include "hist_json.hpp"

namespace latency {

/**
 * One row for each histogram, below one of titles: name, unit, counts, percentiles,
 * and the labels as one field "key=value;...". Quoted as RFC 4180 says.
 */
std::string csv_text(std::span<const testexp::NamedHistogram> histograms);

/**
 * OpenMetrics 1.0, for Prometheus: a histogram family for each unit, with the name and
 * the labels as labels, and counters of what was lost and unmatched. Two histograms
 * with the same labels are told apart by a label "nr".
 */
std::string openmetrics_text(std::span<const testexp::NamedHistogram> histograms);

} // namespace latency
