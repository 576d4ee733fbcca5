/* SPDX-License-Identifier: GPL-2.0 */
/* What all measurements of one case together say. Pure. */
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "hist.hpp"
#include "testexp.hpp"

namespace bench {

struct Sample {
    testexp_hist hist = testexp::empty_hist(); /* ticks per batch, or per operation */
    std::uint32_t ops_per_value = 1;           /* of the histogram */
    std::uint64_t ops = 0;
    std::uint64_t pages = 0;
    std::uint64_t clock_cost_ticks = 0;

    void add(const testexp::Measurement& measurement);

    /**
     * The counters of results/schema.md: names and values. Ticks are per operation; "per_op" is
     * the ticks of the fastest batch, or of the fastest single operation. Needs at least one
     * measurement.
     */
    std::map<std::string, double> counters() const;
};

} // namespace bench
