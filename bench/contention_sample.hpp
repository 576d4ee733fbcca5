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
    std::vector<std::uint64_t> ops; /* of each thread */
    testexp_hist op = testexp::empty_hist();
    testexp_hist wait = testexp::empty_hist();
    testexp_hist hold = testexp::empty_hist();

    /* @threads: those that are measured; a holder is none of them. */
    void add(const testexp_run& run, std::span<const testexp::ContenderReport> threads);

    std::uint64_t total_ops() const;

    /* The counters of results/schema.md. Needs operations. */
    std::map<std::string, double> counters() const;
};

} // namespace bench
