/* SPDX-License-Identifier: GPL-2.0 */
/* The clock of MEASURE, read in user space: both sides must count the same. */
#pragma once

#include <cstdint>

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

} // namespace bench
