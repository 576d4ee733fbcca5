/* SPDX-License-Identifier: GPL-2.0 */
/* Statistics of a testexp_hist. Values are in the unit in which they were recorded. */
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "testexp_hist.h"

namespace testexp {

inline testexp_hist empty_hist() {
    testexp_hist hist = {};

    testexp_hist_reset(&hist);
    return hist;
}

/* The index of the first bucket, and of the last, that has values. There must be a value. */
inline std::uint32_t first_bucket(const testexp_hist& hist) {
    std::uint32_t index = 0;

    while (index + 1 < TESTEXP_HIST_BUCKETS && hist.buckets[index] == 0)
        index++;
    return index;
}

inline std::uint32_t last_bucket(const testexp_hist& hist) {
    std::uint32_t index = TESTEXP_HIST_BUCKETS - 1;

    while (index > 0 && hist.buckets[index] == 0)
        index--;
    return index;
}

/**
 * The value that @percent (0 to 100) of the recorded values do not exceed, by nearest rank. It is
 * the upper edge of a bucket, so it is at most 6.25 % too large, and never larger than the largest
 * recorded value. 0 for an empty histogram.
 */
inline std::uint64_t percentile(const testexp_hist& hist, double percent) {
    const double exact_rank = std::ceil(percent * static_cast<double>(hist.count) / 100);
    const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(exact_rank));
    std::uint64_t seen = 0;

    for (std::uint32_t index = 0; index < TESTEXP_HIST_BUCKETS; index++) {
        seen += hist.buckets[index];
        if (seen >= rank)
            return std::min<std::uint64_t>(testexp_hist_upper(index), hist.max);
    }
    return hist.max;
}

/* The exact mean of the recorded values; 0 for an empty histogram. */
inline double mean(const testexp_hist& hist) {
    return hist.count == 0 ? 0 : static_cast<double>(hist.sum) / static_cast<double>(hist.count);
}

/* Adds the values recorded in @from to @into. */
inline void merge(testexp_hist& into, const testexp_hist& from) {
    into.count += from.count;
    into.sum += from.sum;
    into.min = std::min(into.min, from.min);
    into.max = std::max(into.max, from.max);
    for (std::uint32_t index = 0; index < TESTEXP_HIST_BUCKETS; index++)
        into.buckets[index] += from.buckets[index];
}

} // namespace testexp
