// SPDX-License-Identifier: GPL-2.0
#include "sample.hpp"

#include <algorithm>

namespace bench {

void Sample::add(const testexp::Measurement& measurement) {
    const testexp_measure& totals = measurement.totals;

    clock_cost_ticks = ops == 0
                           ? std::uint64_t{totals.clock_cost_ticks}
                           : std::min<std::uint64_t>(clock_cost_ticks, totals.clock_cost_ticks);
    ops_per_value = totals.mode == TESTEXP_MODE_SINGLE ? 1 : totals.ops_per_batch;
    ops += totals.ops;
    pages += totals.pages;
    testexp::merge(hist, measurement.hist);
}

std::map<std::string, double> Sample::counters() const {
    const auto per_op = [this](std::uint64_t ticks) {
        return static_cast<double>(ticks) / ops_per_value;
    };
    std::map<std::string, double> values = {
        {"per_op", per_op(hist.min)},
        {"mean", static_cast<double>(hist.sum) / static_cast<double>(ops)},
        {"p50", per_op(testexp::percentile(hist, 50))},
        {"p90", per_op(testexp::percentile(hist, 90))},
        {"p99", per_op(testexp::percentile(hist, 99))},
        {"p999", per_op(testexp::percentile(hist, 99.9))},
        {"max", per_op(hist.max)},
        {"ops", static_cast<double>(ops)},
        {"pages", static_cast<double>(pages)},
        {"batches", static_cast<double>(hist.count)},
        {"clock_cost", static_cast<double>(clock_cost_ticks)},
    };

    if (pages != 0)
        values["per_page"] =
            per_op(hist.min) * static_cast<double>(ops) / static_cast<double>(pages);
    return values;
}

} // namespace bench
