// SPDX-License-Identifier: GPL-2.0
#include "statistics.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>
#include <random>

namespace report {

namespace {

constexpr int resamples = 10000;
constexpr unsigned seed = 20250107; /* any; always the same, so that a report can be made again */
constexpr double tail = 0.025;
/* Above, the normal approximation is good to three digits, and the exact sum long. */
constexpr std::size_t max_exact_values = 25;

std::vector<double> sorted(Values values) {
    std::vector<double> copy(values.begin(), values.end());

    std::ranges::sort(copy);
    return copy;
}

class Resampler {
public:
    /* The median of as many values, drawn with replacement. */
    double median_of(Values values) {
        drawn_.clear();
        for (std::size_t i = 0; i < values.size(); i++)
            drawn_.push_back(values[random_() % values.size()]);
        return median(drawn_);
    }

private:
    std::mt19937_64 random_{
        seed}; // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): on purpose
    std::vector<double> drawn_;
};

/* The middle 95 % of what @draw returns. */
Interval bootstrap(const std::function<double()>& draw) {
    std::vector<double> drawn;

    drawn.reserve(resamples);
    for (int i = 0; i < resamples; i++)
        drawn.push_back(draw());
    std::ranges::sort(drawn);
    return {drawn[static_cast<std::size_t>(tail * resamples)],
            drawn[static_cast<std::size_t>((1 - tail) * resamples) - 1]};
}

/* Sizes of the groups of equal values in both samples together. */
std::vector<std::size_t> tie_groups(Values left, Values right) {
    std::vector<double> all(left.begin(), left.end());
    std::vector<std::size_t> groups;

    all.insert(all.end(), right.begin(), right.end());
    std::ranges::sort(all);
    for (std::size_t i = 0; i < all.size(); i++) {
        if (i == 0 || all[i] != all[i - 1])
            groups.push_back(0);
        groups.back()++;
    }
    return groups;
}

/* Twice the rank of each value. Equal values share the mean of their ranks, maybe a half. */
std::vector<std::size_t> doubled_ranks(const std::vector<std::size_t>& groups) {
    std::vector<std::size_t> ranks;

    for (const std::size_t size : groups)
        ranks.insert(ranks.end(), size, 2 * ranks.size() + size + 1);
    return ranks;
}

/* How many ways there are to choose @m of @ranks so that their sum is 0, 1, 2, ... */
std::vector<double> ways(const std::vector<std::size_t>& ranks, std::size_t m) {
    const std::size_t largest = std::accumulate(ranks.begin(), ranks.end(), std::size_t{0});
    /* count[i][sum]: i of the ranks so far are chosen */
    std::vector<std::vector<double>> count(m + 1, std::vector<double>(largest + 1));

    count[0][0] = 1;
    for (const std::size_t rank : ranks) {
        for (std::size_t i = m; i > 0; i--) {
            for (std::size_t sum = rank; sum <= largest; sum++)
                count[i][sum] += count[i - 1][sum - rank];
        }
    }
    return count[m];
}

/* The smaller tail, twice: with ties the two tails may differ. */
double exact_p(double u, std::size_t m, const std::vector<std::size_t>& groups) {
    const std::vector<double> count = ways(doubled_ranks(groups), m);
    const auto found =
        count.begin() + std::lround(2 * u) + static_cast<std::ptrdiff_t>(m * (m + 1));
    const double total = std::accumulate(count.begin(), count.end(), 0.0);
    const double below = std::accumulate(count.begin(), found + 1, 0.0);
    const double above = std::accumulate(found, count.end(), 0.0);

    return std::min(1.0, 2 * std::min(below, above) / total);
}

/* With the correction for ties, and the one for taking a whole number for a continuous one. */
double normal_p(double u, double n, double m, const std::vector<std::size_t>& groups) {
    const double all = n + m;
    double ties = 0;

    for (const std::size_t size : groups) {
        const auto equal = static_cast<double>(size);

        ties += equal * equal * equal - equal;
    }

    const double variance = n * m / 12 * (all + 1 - ties / (all * (all - 1)));
    const double distance = std::fabs(u - n * m / 2) - 0.5;

    if (variance <= 0 || distance <= 0)
        return 1; /* all values are equal, or as good as */
    return std::erfc(distance / std::sqrt(variance) / std::numbers::sqrt2);
}

} // namespace

double median(Values values) {
    const std::vector<double> ordered = sorted(values);
    const std::size_t middle = ordered.size() / 2;

    return ordered.size() % 2 != 0 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
}

Interval median_interval(Values values) {
    Resampler resampler;

    return bootstrap([&] { return resampler.median_of(values); });
}

Interval ratio_interval(Values before, Values after) {
    Resampler resampler;

    return bootstrap([&] {
        const double from = resampler.median_of(before);

        return resampler.median_of(after) / from;
    });
}

MannWhitney mann_whitney(Values before, Values after) {
    const std::size_t n = before.size();
    const std::size_t m = after.size();
    const auto groups = tie_groups(before, after);
    MannWhitney result;

    for (const double earlier : before) {
        for (const double later : after)
            result.u += later > earlier ? 1 : later == earlier ? 0.5 : 0;
    }
    result.is_exact = std::max(n, m) <= max_exact_values;
    result.p = result.is_exact
                   ? exact_p(result.u, m, groups)
                   : normal_p(result.u, static_cast<double>(n), static_cast<double>(m), groups);
    return result;
}

double smallest_p(std::size_t n, std::size_t m) {
    double choices = 1; /* of n values out of n + m */

    for (std::size_t i = 1; i <= n; i++)
        choices *= static_cast<double>(m + i) / static_cast<double>(i);
    return std::min(1.0, 2 / choices);
}

double cliffs_delta(Values before, Values after) {
    const auto pairs = static_cast<double>(before.size() * after.size());

    return 2 * mann_whitney(before, after).u / pairs - 1;
}

const char* effect_name(double delta) {
    const double size = std::fabs(delta);

    return size < 0.147 ? "negligible" : size < 0.33 ? "small" : size < 0.474 ? "medium" : "large";
}

std::vector<double> holm(Values p_values) {
    std::vector<std::size_t> order(p_values.size());
    std::vector<double> adjusted(p_values.size());
    double so_far = 0;

    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, {}, [&](std::size_t index) { return p_values[index]; });
    for (std::size_t rank = 0; rank < order.size(); rank++) {
        const auto left = static_cast<double>(order.size() - rank);

        so_far = std::max(so_far, std::min(1.0, left * p_values[order[rank]]));
        adjusted[order[rank]] = so_far;
    }
    return adjusted;
}

} // namespace report
