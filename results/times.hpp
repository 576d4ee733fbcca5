/* SPDX-License-Identifier: GPL-2.0 */
/* Whether the times of two runs differ, or only look so. */
#pragma once

#include <string>
#include <vector>

#include "bench.hpp"
#include "statistics.hpp"

namespace report {

/* With fewer processes the interval of a median is hardly more than the range of the values. */
inline constexpr std::size_t wanted_processes = 9;

/*
 * How many processes each of two runs of @cases cases needs, so that a case can move at all: at
 * least wanted_processes. Holm's correction multiplies the p of the clearest case by @cases.
 */
std::size_t processes_for(std::size_t cases);

/*
 * One case in both runs: a mean per operation for each process. Repetitions in one process
 * share its buffers, so they are one value, not many.
 */
struct TimeChange {
    std::string name;
    std::size_t before_count = 0; /* of processes */
    std::size_t after_count = 0;
    double before = 0; /* medians, in ticks */
    double after = 0;
    Interval ratio;   /* after / before, 95 % */
    double delta = 0; /* Cliff's */
    double p = 1;     /* Mann-Whitney, corrected by Holm for the number of cases */

    /* Not by chance, and by more than @tolerance_percent. */
    bool is_real(double tolerance_percent) const;
};

/* Cases that are measured in both, in the order of @before. */
std::vector<TimeChange> compare_times(const Bench& before, const Bench& after);

/* Names of the cases that have times in @bench, but not in @other: there they failed or are absent.
 */
std::vector<std::string> timed_only_in(const Bench& bench, const Bench& other);

/* How many of @changes, the cases of two runs, have too few processes to be called moved. */
std::size_t count_too_few(const std::vector<TimeChange>& changes);

/* Why times cannot be compared: clock, unit or processor differ or are worthless. */
std::vector<std::string> why_no_times(const Bench& before, const Bench& after);

} // namespace report
