/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a few repetitions of a noisy measurement say. Nothing here takes the values
 * for normally distributed. Pure, and the same on every call.
 */
#pragma once

#include <span>
#include <vector>

namespace report {

using Values = std::span<const double>;

/* The middle one, or the mean of the two. Needs at least one value. */
double median(Values values);

struct Interval {
    double low = 0;
    double high = 0;
};

/*
 * The 95 % confidence interval of the median, and of the ratio of two medians
 * (@after to @before, which must be above 0), by the percentile bootstrap. Needs
 * at least one value; with few of them it is about the range of the values.
 */
Interval median_interval(Values values);
Interval ratio_interval(Values before, Values after);

struct MannWhitney {
    double u =
        0; /* pairs in which the value of the second sample is the larger; a tie is half a one */
    double p = 1;         /* two-sided: how likely is at least such a difference if there is none */
    bool is_exact = true; /* else, with many values, by the normal approximation */
};

/* Needs at least one value in each. */
MannWhitney mann_whitney(Values before, Values after);

/* The exact p of two samples of @n and @m values that differ as much as they can. */
double smallest_p(std::size_t n, std::size_t m);

/*
 * Cliff's delta, the effect size that goes with it: how much more often a value of
 * @after is larger than one of @before than it is smaller, -1 to 1.
 */
double cliffs_delta(Values before, Values after);

/* "negligible", "small", "medium" or "large", by the usual bounds of Cliff's delta. */
const char* effect_name(double delta);

/* Holm's correction: p values of a whole family of tests, each as if it were the only one. */
std::vector<double> holm(Values p_values);

} // namespace report
