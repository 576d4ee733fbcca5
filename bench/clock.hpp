/* SPDX-License-Identifier: GPL-2.0 */
/* The clock of MEASURE, read in user space: both sides must count the same. */
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>
#else
#include <ctime>
#endif

namespace bench {

inline std::uint64_t read_clock() {
#if defined(__x86_64__) || defined(__i386__)
    _mm_lfence();
    return __rdtsc();
#else
    timespec now{};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000 +
           static_cast<std::uint64_t>(now.tv_nsec);
#endif
}

/* Ticks of reading the clock once. */
inline std::uint64_t clock_cost() {
    constexpr int readings = 64;
    std::uint64_t cost = std::numeric_limits<std::uint64_t>::max();

    for (int i = 0; i < readings; i++) {
        const std::uint64_t before = read_clock();

        cost = std::min(cost, read_clock() - before);
    }
    return cost;
}

} // namespace bench
