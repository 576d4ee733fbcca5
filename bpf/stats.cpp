// SPDX-License-Identifier: GPL-2.0
#include "stats.hpp"

#include <algorithm>
#include <numeric>

#include "hist.hpp"

namespace latency {

call_stats empty_stats() {
    call_stats stats{};
    testexp_hist_reset(&stats.hist);
    return stats;
}

void merge_counted(testexp_hist& into, const testexp_hist& from) {
    testexp_hist counted = from;

    counted.count = std::accumulate(std::begin(from.buckets), std::end(from.buckets), __u64{0});
    if (counted.count == 0)
        return;
    counted.min = std::min(counted.min, testexp_hist_upper(testexp::first_bucket(from)));
    counted.max = std::max(counted.max, testexp_hist_lower(testexp::last_bucket(from)));
    testexp::merge(into, counted);
}

Summary summarize(std::span<const call_stats> cpus, std::uint64_t missed,
                  std::uint64_t unreturned) {
    Summary all{.hist = empty_stats().hist, .lost = missed, .unmatched = unreturned};

    for (const call_stats& cpu : cpus) {
        merge_counted(all.hist, cpu.hist);
        all.lost += cpu.lost;
        all.unmatched += cpu.unmatched;
    }
    return all;
}

} // namespace latency
