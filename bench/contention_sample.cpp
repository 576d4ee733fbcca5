// SPDX-License-Identifier: GPL-2.0
#include "contention_sample.hpp"

#include <algorithm>
#include <numeric>

namespace bench {

namespace {

/* "p50" to "max", each behind @prefix. */
void add_percentiles(std::map<std::string, double>& values, const std::string& prefix,
                     const testexp_hist& hist) {
    const auto at = [&hist](double percent) {
        return static_cast<double>(testexp::percentile(hist, percent));
    };

    values[prefix + "p50"] = at(50);
    values[prefix + "p90"] = at(90);
    values[prefix + "p99"] = at(99);
    values[prefix + "p999"] = at(99.9);
    values[prefix + "max"] = static_cast<double>(hist.max);
}

} // namespace

void ContentionSample::add(const testexp_run& run,
                           std::span<const testexp::ContenderReport> threads, bool is_planned) {
    windows++;
    ticks += run.ticks;
    ops.resize(threads.size());
    planned_ops.resize(threads.size());
    for (std::size_t i = 0; i < threads.size(); i++) {
        const testexp::ContenderReport& thread = threads[i];

        ops[i] += thread.counts.ops;
        planned_ops[i] += is_planned ? thread.counts.ops : 0;
        pages += thread.counts.pages;
        backoffs += thread.counts.backoffs;
        retries += thread.counts.retries;
        testexp::merge(op, thread.op);
        testexp::merge(wait, thread.wait);
        testexp::merge(hold, thread.hold);
    }
}

std::uint64_t ContentionSample::total_ops() const {
    return std::accumulate(ops.begin(), ops.end(), std::uint64_t{0});
}

std::map<std::string, double> ContentionSample::counters() const {
    const auto total = static_cast<double>(total_ops());
    std::map<std::string, double> values = {
        {"per_op", static_cast<double>(ticks) / total},
        {"ops", total},
        {"pages", static_cast<double>(pages)},
        {"batches", static_cast<double>(windows)},
        {"ticks", static_cast<double>(ticks)},
        {"ops_min", static_cast<double>(*std::ranges::min_element(planned_ops))},
        {"ops_max", static_cast<double>(*std::ranges::max_element(planned_ops))},
        {"jain", testexp::jain_index(planned_ops)},
        {"backoffs", static_cast<double>(backoffs)},
        {"retries", static_cast<double>(retries)},
    };

    add_percentiles(values, "", op);
    if (wait.count != 0)
        add_percentiles(values, "wait_", wait);
    if (hold.count != 0)
        add_percentiles(values, "hold_", hold);
    return values;
}

} // namespace bench
