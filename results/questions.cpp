// SPDX-License-Identifier: GPL-2.0
#include "questions.hpp"

#include <algorithm>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "clock_statement.hpp"
#include "format.hpp"
#include "testexp.hpp"

namespace report {

namespace {

constexpr std::uint64_t simplest_bytes = std::uint64_t{2} << 20;
constexpr unsigned simplest_order = 9;
constexpr std::uint64_t gib = std::uint64_t{1} << 30;

double cost(const BenchCase* row) {
    return row->get("per_op").value_or(0);
}

std::vector<const BenchCase*> select(const Bench& bench,
                                     const std::function<bool(const BenchCase&)>& wanted) {
    std::vector<const BenchCase*> rows;

    for (const BenchCase& row : bench.cases) {
        if (row.is_measured() && wanted(row))
            rows.push_back(&row);
    }
    return rows;
}

/* "sequence random, exporter dynamic" */
std::string show_axes(const BenchCase& row) {
    std::string text;

    for (const auto& [key, value] : row.axes)
        text.append(text.empty() ? "" : ", ").append(key).append(" ").append(value);
    return text;
}

/* Cases of one path on synthetic extents of order 0, by their number. */
const BenchCase* lookup(const Bench& bench, const std::string& path, std::uint64_t extents) {
    const auto rows = select(bench, [&](const BenchCase& row) {
        return row.path == path && row.number("extents") == extents;
    });

    return rows.empty() ? nullptr : rows.front();
}

/* Ascending. */
std::vector<std::uint64_t> extent_counts(const Bench& bench) {
    std::set<std::uint64_t> counts;

    for (const BenchCase* row :
         select(bench, [](const BenchCase& one) { return one.number("extents") != 0; }))
        counts.insert(row->number("extents"));
    return {counts.begin(), counts.end()};
}

Table lookup_table(const Bench& bench) {
    const std::vector<std::uint64_t> counts = extent_counts(bench);
    Table table;

    table.caption = "Lookup cost by the number of extents, in " + unit_and_clock(bench);
    table.note = "Synthetic extents of one page each; pages at random. × one: against one extent.";
    table.placement = Placement::folded;
    table.columns = {{"extents", true},
                     {"exporter's callback", true},
                     {"get_pfn", true},
                     {"× one", true},
                     {"samples", true}};
    for (const std::uint64_t count : counts) {
        const BenchCase* exporter = lookup(bench, "exporter_op", count);
        const BenchCase* call = lookup(bench, "get_pfn", count);
        const BenchCase* one = lookup(bench, "get_pfn", counts.front());

        if (exporter == nullptr || call == nullptr || one == nullptr)
            continue;
        table.rows.push_back({{show_number(static_cast<double>(count)), show_number(cost(exporter)),
                               show_number(cost(call)), show_ratio(cost(call), cost(one)),
                               show_number(call->get("batches"))},
                              Tone::plain});
    }
    return table;
}

Table single_table(const Bench& bench) {
    Table table;

    table.caption = "Single operations, in " + unit_and_clock(bench);
    table.note = "Each operation is timed by itself. The cost of reading the clock, in the column "
                 "clock, is part of each value. Percentiles may be up to 6.25 % too large.";
    table.placement = Placement::folded;
    table.columns = {{"path", false}, {"clock", true}, {"min", true},
                     {"p50", true},   {"p90", true},   {"p99", true},
                     {"p99.9", true}, {"max", true},   {"operations", true}};
    for (const BenchCase* row :
         select(bench, [](const BenchCase& one) { return one.axis("mode") == "single"; }))
        table.rows.push_back(
            {{row->is_foreign() ? row->path + ", " + row->axis("exporter") : row->path,
              show_number(row->get("clock_cost")), show_number(cost(row)),
              show_number(row->get("p50")), show_number(row->get("p90")),
              show_number(row->get("p99")), show_number(row->get("p999")),
              show_number(row->get("max")), show_number(row->get("batches"))},
             Tone::plain});
    return table;
}

/* The same size, order and path without the axes. */
const BenchCase* plain_form(const Bench& bench, const BenchCase& row) {
    if (row.is_baseline())
        return bench.baseline(row.path);
    return bench.find(row.path, *row.size_bytes, *row.order);
}

Table difference_table(const Bench& bench) {
    const auto differs = [](const BenchCase& row) {
        return !row.is_plain() && !row.is_foreign() && row.axis("mode") != "single" &&
               row.axis("memory").empty();
    };
    Table table;

    table.caption = "What sequence, exporter and first touch change, in " + unit_and_clock(bench);
    table.note = "Each row has one difference from the plain case of its path. A first touch is a "
                 "single operation: the cost of reading the clock is part of it.";
    table.placement = Placement::folded;
    table.columns = {{"path", false},
                     {"difference", false},
                     {"plain", true},
                     {"with it", true},
                     {"ratio", true}};
    for (const BenchCase* row : select(bench, differs)) {
        const BenchCase* plain = plain_form(bench, *row);

        table.rows.push_back(
            {{row->path, show_axes(*row), plain == nullptr ? "–" : show_number(cost(plain)),
              show_number(cost(row)), plain == nullptr ? "–" : show_ratio(cost(row), cost(plain))},
             Tone::plain});
    }
    return table;
}

Table far_table(const Bench& bench) {
    const auto is_far = [](const BenchCase& row) {
        return row.order && row.axis("memory") == "synthetic" && row.axes.size() == 1;
    };
    Table table;

    table.caption = "Buffers larger than memory, in " + unit_and_clock(bench);
    table.note = "One operation. The extents are synthetic: they have addresses, but no memory.";
    table.placement = Placement::folded;
    table.columns = {{"path", false},   {"size", true},   {"order", true},
                     {"extents", true}, {"per op", true}, {"per page", true}};
    for (const BenchCase* row : select(bench, is_far)) {
        const std::uint64_t extent_bytes = testexp::page_bytes() << *row->order;
        const std::uint64_t nr_extents = *row->size_bytes / extent_bytes;

        table.rows.push_back({{row->path, show_bytes(*row->size_bytes), std::to_string(*row->order),
                               show_number(static_cast<double>(nr_extents)), show_number(cost(row)),
                               show_number(row->get("per_page"))},
                              Tone::plain});
    }
    return table;
}

/* All of 1 GiB by operations like those of @row. */
std::optional<double> whole_gib(const BenchCase* row) {
    if (row == nullptr || !row->get("per_page"))
        return std::nullopt;

    const std::uint64_t nr_pages = gib / testexp::page_bytes();

    return *row->get("per_page") * static_cast<double>(nr_pages);
}

/* The plain case of the largest buffer of that order: a small buffer hides what grows. */
const BenchCase* largest(const Bench& bench, const std::string& path, unsigned order) {
    const auto rows = select(bench, [&](const BenchCase& row) {
        return row.is_plain() && row.path == path && row.order == order;
    });
    const auto found = std::ranges::max_element(
        rows, {}, [](const BenchCase* row) { return row->size_bytes.value_or(0); });

    return found == rows.end() ? nullptr : *found;
}

void add_figure(Table& table, const std::string& what, std::optional<double> value,
                const std::string& unit, double limit, bool at_most) {
    if (!value)
        return;

    const bool met = at_most ? *value <= limit : *value >= limit;

    table.rows.push_back(
        {{what, show_number(*value) + unit,
          (at_most ? "at most " : "at least ") + show_number(limit) + unit, met ? "yes" : "no"},
         met ? Tone::good : Tone::warning});
}

std::optional<double> quotient(std::optional<double> a, std::optional<double> b) {
    return a && b && *b > 0 ? std::optional(*a / *b) : std::nullopt;
}

std::optional<double> cost_of(const BenchCase* row) {
    return row == nullptr ? std::nullopt : row->get("per_op");
}

/* For instruction counts only: limits for times would depend on the machine. */
Table figure_table(const Bench& bench) {
    const auto call = cost_of(simplest_case(bench, "get_pfn"));
    const auto lock = cost_of(bench.baseline("lock_unlock"));
    const auto stride = whole_gib(largest(bench, "get_pfn_stride", simplest_order));
    const std::vector<std::uint64_t> counts = extent_counts(bench);
    Table table;

    if (bench.context_or("clock", "") != "icount")
        return table;
    table.caption = "Figures with a wanted value, in " + unit_and_clock(bench);
    table.note = "Whole buffers are scaled from the largest buffer that could be counted.";
    table.columns = {{"figure", false}, {"is", true}, {"wanted", true}, {"met", false}};
    add_figure(table, "get_pfn (core, exporter and loop) above lock + unlock",
               call && lock ? std::optional(*call - *lock) : std::nullopt, "", 60, true);
    add_figure(table, "get_pfn_batch against get_pfn, per page",
               quotient(cost_of(simplest_case(bench, "get_pfn_batch")), call), "×", 0.5, true);
    add_figure(table, "1 GiB: sgt_map at order 0 against get_pfn_stride at order 9",
               quotient(whole_gib(largest(bench, "sgt_map", 0)), stride), "×", 100, false);
    if (const auto equal = quotient(whole_gib(largest(bench, "sgt_map", simplest_order)), stride))
        table.rows.push_back({{"1 GiB: sgt_map at order 9 against get_pfn_stride at order 9",
                               show_number(*equal) + "×", "–", "–"},
                              Tone::plain});
    if (!counts.empty())
        add_figure(table, fmt::format("get_pfn of {} extents against one", counts.back()),
                   quotient(cost_of(lookup(bench, "get_pfn", counts.back())),
                            cost_of(lookup(bench, "get_pfn", counts.front()))),
                   "×", 6, true);
    return table;
}

} // namespace

const BenchCase* simplest_case(const Bench& bench, const std::string& path) {
    if (const BenchCase* row = bench.find(path, simplest_bytes, simplest_order))
        return row;

    const auto rows = select(bench, [&path](const BenchCase& row) {
        return !row.is_baseline() && row.is_plain() && row.path == path;
    });
    const auto found = std::ranges::min_element(rows, {}, [](const BenchCase* row) {
        return std::pair(row->size_bytes.value_or(0), -static_cast<int>(row->order.value_or(0)));
    });

    return found == rows.end() ? nullptr : *found;
}

std::vector<Table> question_tables(const Bench& bench) {
    std::vector<Table> tables;

    for (const auto& make :
         {figure_table, lookup_table, single_table, difference_table, far_table}) {
        Table table = make(bench);

        if (!table.rows.empty())
            tables.push_back(std::move(table));
    }
    return tables;
}

} // namespace report
