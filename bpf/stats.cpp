// SPDX-License-Identifier: GPL-2.0
#include "stats.hpp"

#include <algorithm>

#include "hist.hpp"

namespace latency {

latency_stats empty_stats() {
    latency_stats stats{};
    testexp_hist_reset(&stats.hist);
    return stats;
}

Summary summarize(std::span<const latency_stats> cpus, std::uint64_t missed) {
    Summary all{.hist = empty_stats().hist, .lost = missed};
    std::uint64_t entered = 0;

    for (const latency_stats& cpu : cpus) {
        testexp::merge(all.hist, cpu.hist);
        entered += cpu.entered;
        all.lost += cpu.lost;
        all.unmatched += cpu.unmatched;
    }
    /* A call may enter on one CPU and return on another, so this is only true of the sum. */
    all.unmatched += entered - std::min<std::uint64_t>(entered, all.hist.count);
    return all;
}

} // namespace latency
