/* SPDX-License-Identifier: GPL-2.0 */
/* What all runs of one contention together say. Pure. */
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "contend.hpp"

namespace bench {

struct ContentionSample {
    std::uint64_t windows = 0;
    std::uint64_t ticks = 0; /* of all windows */
    std::uint64_t pages = 0;
    std::uint64_t backoffs = 0;
    std::uint64_t retries = 0;
    std::vector<std::uint64_t> ops;         /* of each thread */
    std::vector<std::uint64_t> planned_ops; /* of these, in windows that did not depend on @ops */
    testexp_hist op = testexp::empty_hist();
    testexp_hist wait = testexp::empty_hist();
    testexp_hist hold = testexp::empty_hist();

    /*
     * @threads: the measured threads, without a holder. @is_planned: false for a window that was
     * added because a thread had made no operation. Such a window does not show how fair a lock is.
     */
    void add(const testexp_run& run, std::span<const testexp::ContenderReport> threads,
             bool is_planned = true);

    std::uint64_t total_ops() const;

    /* The counters of results/schema.md. Needs operations, and a planned window. */
    std::map<std::string, double> counters() const;
};

} // namespace bench
