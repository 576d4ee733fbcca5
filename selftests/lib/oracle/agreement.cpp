// SPDX-License-Identifier: GPL-2.0
#include "agreement.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "far_oracle.hpp"
#include "shrink.hpp"

namespace testexp {

namespace {

/* Of larger buffers only the pages round the borders of extents are compared. */
constexpr std::uint64_t max_table_pages = 1 << 17;

std::vector<std::uint64_t> borders_of(const Layout& layout) {
    std::vector<std::uint64_t> borders{0};

    for (const testexp_extent& extent : layout.extents)
        borders.push_back(borders.back() + extent.nr_pages * extent.repeat);
    return borders;
}

/* Adds @pgoff and its neighbours, but nothing beyond @end + 1. */
void add_neighbours(std::vector<std::uint64_t>& pgoffs, std::uint64_t pgoff, std::uint64_t end) {
    for (std::uint64_t each = pgoff - std::min<std::uint64_t>(pgoff, 1); each <= pgoff + 1; each++)
        if (each <= end + 1)
            pgoffs.push_back(each);
}

template <typename Truth>
std::optional<Mismatch> compare(const Layout& layout, const std::vector<std::uint64_t>& pgoffs,
                                const Lookup& lookup, const Truth& truth) {
    const std::vector<testexp_result> answers = lookup(layout, pgoffs);

    for (std::size_t i = 0; i < pgoffs.size(); i++) {
        const testexp_result must_be = truth.expected(pgoffs[i]);

        if (!same(answers.at(i), must_be))
            return Mismatch{layout, pgoffs[i], answers[i], must_be};
    }
    return std::nullopt;
}

} // namespace

void Checked::add(std::uint64_t nr_pgoffs, std::uint64_t nr_pages) {
    pgoffs += nr_pgoffs;
    pairs += nr_pgoffs * static_cast<std::uint64_t>(std::bit_width(nr_pages));
}

std::string Checked::text() const {
    return "checked: " + std::to_string(layouts) + " layouts, " + std::to_string(pgoffs) +
           " pgoffs, " + std::to_string(pairs) + " (pgoff, order) pairs";
}

std::string Mismatch::text() const {
    return layout.code() + " at pgoff " + std::to_string(pgoff) + ": is " + describe(is) +
           ", must be " + describe(must_be);
}

std::vector<std::uint64_t> all_pgoffs(const Layout& layout) {
    std::vector<std::uint64_t> pgoffs(layout.nr_pages() + 2);

    std::iota(pgoffs.begin(), pgoffs.end(), 0);
    return pgoffs;
}

std::vector<std::uint64_t> pgoffs_round_borders(const Layout& layout) {
    const std::uint64_t end = layout.nr_pages();
    std::vector<std::uint64_t> pgoffs;

    for (const std::uint64_t border : borders_of(layout))
        for (std::uint64_t block = 1; block <= end; block *= 2) {
            add_neighbours(pgoffs, border / block * block, end);
            add_neighbours(pgoffs, border / block * block + block, end);
        }
    std::sort(pgoffs.begin(), pgoffs.end());
    pgoffs.erase(std::unique(pgoffs.begin(), pgoffs.end()), pgoffs.end());
    return pgoffs;
}

std::vector<std::uint64_t> pgoffs_to_ask(const Layout& layout) {
    return layout.nr_pages() > max_table_pages ? pgoffs_round_borders(layout) : all_pgoffs(layout);
}

std::optional<Mismatch> first_mismatch(const Layout& layout,
                                       const std::vector<std::uint64_t>& pgoffs,
                                       const Lookup& lookup) {
    if (layout.nr_pages() > max_table_pages)
        return compare(layout, pgoffs, lookup, FarOracle(layout));
    return compare(layout, pgoffs, lookup, Oracle(pages_of(layout)));
}

std::optional<Mismatch> first_mismatch(const Layout& layout, const Lookup& lookup,
                                       Checked* checked) {
    const std::vector<std::uint64_t> pgoffs = pgoffs_to_ask(layout);

    if (checked) {
        checked->layouts++;
        checked->add(pgoffs.size(), layout.nr_pages());
    }
    return first_mismatch(layout, pgoffs, lookup);
}

Mismatch shrunk(Mismatch mismatch, const Lookup& lookup) {
    const auto fails = [&](const Layout& layout) {
        std::optional<Mismatch> smaller = first_mismatch(layout, lookup);

        if (smaller)
            mismatch = std::move(*smaller);
        return smaller.has_value();
    };

    (void)shrink(mismatch.layout, fails);
    return mismatch;
}

} // namespace testexp
