// SPDX-License-Identifier: GPL-2.0
/* What resolving costs, path by path: in instructions, and in time. */
#include <algorithm>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include "clock_statement.hpp"
#include "format.hpp"
#include "paths.hpp"
#include "questions.hpp"
#include "sections.hpp"
#include "spread.hpp"
#include "testexp.hpp"

namespace report {

namespace {

constexpr const char* lock_baseline = "lock_unlock";

std::string clock_of(const Bench& bench) {
    return bench.context_or("clock", "invalid");
}

std::string unit_of(const Bench& bench) {
    return bench.context_or("unit", "ticks");
}

double lock_cost(const Bench& bench) {
    const BenchCase* lock = bench.baseline(lock_baseline);

    return lock == nullptr ? 0 : lock->get("per_op").value_or(0);
}

std::optional<double> divide(std::optional<double> value, std::optional<double> by) {
    if (!value || !by || *by == 0)
        return std::nullopt;
    return *value / *by;
}

std::optional<double> pages_per_op(const BenchCase& row) {
    return divide(row.get("pages"), row.get("ops"));
}

double buffer_pages(std::uint64_t size_bytes) {
    const std::uint64_t pages = size_bytes / testexp::page_bytes();

    return static_cast<double>(pages);
}

/* "1,000 × 100": batches and the operations in each. */
std::string samples(const BenchCase& row) {
    return show_number(row.get("batches")) + " × " +
           show_number(divide(row.get("ops"), row.get("batches")));
}

const std::vector<Column> operation_columns = {
    {"path", false},    {"per op", true}, {"× lock", true}, {"over lock", true}, {"pages", true},
    {"per page", true}, {"p50", true},    {"p99", true},    {"max", true},       {"samples", true}};

/* What an operation costs without the lock that it takes; nothing if that is not one lock. */
std::optional<double> over_lock(const BenchCase& row, double lock) {
    const testexp::Path* path = testexp::find_path(row.path);

    if (path == nullptr || !path->one_lock || lock == 0)
        return std::nullopt;
    return row.get("per_op").value_or(0) - lock;
}

Row operation_row(const BenchCase& row, const std::string& name, double lock) {
    const double cost = row.get("per_op").value_or(0);

    return {{name, show_number(cost), show_ratio(cost, lock), show_number(over_lock(row, lock)),
             show_number(pages_per_op(row)), show_number(row.get("per_page")),
             show_number(row.get("p50")), show_number(row.get("p99")), show_number(row.get("max")),
             samples(row)},
            row.is_baseline() && row.path == lock_baseline ? Tone::good : Tone::plain};
}

/* On the simplest buffer, where only the path itself costs something. */
Table operation_table(const Bench& bench) {
    const double lock = lock_cost(bench);
    Table table;

    table.columns = operation_columns;
    for (const BenchCase& row : bench.cases) {
        if (row.is_baseline() && row.is_plain() && row.is_measured())
            table.rows.push_back(operation_row(row, "baseline: " + row.path, lock));
    }
    table.caption = "One operation of each path, in " + unit_and_clock(bench);
    for (const std::string& path : bench.paths()) {
        const BenchCase* row = simplest_case(bench, path);

        if (row == nullptr)
            continue;
        if (path == bench.paths().front())
            table.note = fmt::format("The buffer has {} in extents of order {}. ",
                                     show_bytes(*row->size_bytes), *row->order);
        table.rows.push_back(operation_row(*row, path, lock));
    }
    table.note +=
        "per op: the fastest batch. × lock: against lock + unlock. over lock: without lock + "
        "unlock, of a path that takes the lock once in each operation. pages: what an operation "
        "delivers. p50, p99 and max: over batches; p50 and p99 may be up to 6.25 % too large. "
        "samples: batches × operations in a batch.";
    return table;
}

/* How the cost of one unlocked call divides among the lock, the exporter and the core. */
std::optional<Table> share_table(const Bench& bench) {
    const BenchCase* loop = bench.baseline("empty_loop");
    const BenchCase* lock = bench.baseline(lock_baseline);
    const BenchCase* exporter = bench.baseline("exporter_op");
    const BenchCase* call = simplest_case(bench, "get_pfn");

    if (loop == nullptr || lock == nullptr || exporter == nullptr || call == nullptr)
        return std::nullopt;

    const auto cost = [](const BenchCase* row) { return row->get("per_op").value_or(0); };
    /* Each baseline contains the loop once. */
    const double lock_share = cost(lock) - cost(loop);
    const double exporter_share = cost(exporter) - cost(loop);
    const double core_share = cost(call) - cost(loop) - lock_share - exporter_share;
    Table table;

    table.caption = "What one get_pfn is made of, in " + unit_and_clock(bench);
    table.note = "Each part is a difference of the fastest batches above.";
    table.columns = {{"part", false}, {"per op", true}, {"share", true}};
    for (const auto& [name, value] :
         {std::pair{"loop of the measurement", cost(loop)},
          std::pair{"reservation lock + unlock", lock_share},
          std::pair{"callback of the test exporter", exporter_share},
          std::pair{"the core's own checks and calls", core_share}, std::pair{"all", cost(call)}})
        table.rows.push_back(
            {{name, show_number(value), fmt::format("{:.0f} %", 100 * value / cost(call))},
             Tone::plain});
    return table;
}

/* A row for each path and order, a column for each size. */
Table all_buffers_table(const Bench& bench) {
    const double lock = lock_cost(bench);
    Table table;

    table.caption = "One operation on every buffer, in " + unit_and_clock(bench);
    table.note = "In brackets: the ratio to lock + unlock. The list of all cases has the samples.";
    table.placement = Placement::folded;
    table.columns = {{"path", false}, {"order", true}};
    for (const std::uint64_t size_bytes : bench.sizes_bytes())
        table.columns.push_back({show_bytes(size_bytes), true});

    for (const std::string& path : bench.paths()) {
        for (const unsigned order : bench.orders()) {
            Row line{{path, std::to_string(order)}, Tone::plain};

            for (const std::uint64_t size_bytes : bench.sizes_bytes()) {
                const BenchCase* row = bench.find(path, size_bytes, order);
                const double cost = row == nullptr ? 0 : row->get("per_op").value_or(0);

                line.cells.push_back(row == nullptr ? "–"
                                                    : fmt::format("{} ({})", show_number(cost),
                                                                  show_ratio(cost, lock)));
            }
            table.rows.push_back(line);
        }
    }
    return table;
}

/* The cost for an importer that wants all pages of the largest buffer. */
Table whole_buffer_table(const Bench& bench) {
    const std::uint64_t size_bytes = bench.sizes_bytes().back();
    const double pages = buffer_pages(size_bytes);
    Table table;

    table.caption = fmt::format("Resolving all {} pages of {}, in {}", show_number(pages),
                                show_bytes(size_bytes), unit_and_clock(bench));
    table.note = "ops: the operations that all pages need. cost: those operations together, scaled "
                 "from the fastest batch.";
    table.placement = Placement::folded;
    table.columns = {{"path", false}};
    for (const unsigned order : bench.orders()) {
        table.columns.push_back({fmt::format("order {}: ops", order), true});
        table.columns.push_back({"cost", true});
    }
    for (const std::string& path : bench.paths()) {
        Row line{{path}, Tone::plain};

        for (const unsigned order : bench.orders()) {
            const BenchCase* row = bench.find(path, size_bytes, order);
            const auto ops = row == nullptr ? std::nullopt : divide(pages, pages_per_op(*row));

            line.cells.push_back(show_number(ops));
            line.cells.push_back(ops ? show_number(*ops * row->get("per_op").value_or(0)) : "–");
        }
        table.rows.push_back(line);
    }
    return table;
}

Table every_case_table(const Bench& bench) {
    const std::vector<std::string> counters = {"per_op", "per_page", "p50",       "p90",
                                               "p99",    "p999",     "max",       "batches",
                                               "ops",    "pages",    "clock_cost"};
    Table table;

    table.caption = "All cases, in " + unit_and_clock(bench);
    table.placement = Placement::page_only;
    table.columns = {{"case", false}};
    for (const std::string& counter : counters)
        table.columns.push_back({counter, true});
    for (const BenchCase& row : bench.cases) {
        Row line{{row.name}, row.is_measured() ? Tone::plain : Tone::warning};

        for (const std::string& counter : counters)
            line.cells.push_back(show_number(row.is_measured() ? row.get(counter) : std::nullopt));
        if (!row.is_measured())
            line.cells.front() += ": " + row.error;
        table.rows.push_back(line);
    }
    return table;
}

Chart page_chart(const Bench& bench, const std::string& title, const Axis& x) {
    Chart chart;

    chart.title = title;
    chart.x = x;
    chart.y = {unit_of(bench) + " per page" + (clock_of(bench) == "invalid" ? " (invalid)" : ""),
               10};
    return chart;
}

Chart chart_over_size(const Bench& bench, unsigned order) {
    Chart chart = page_chart(bench, fmt::format("Cost of a page by buffer size, order {}", order),
                             {"buffer size in MiB", 2});

    for (const std::string& path : bench.paths()) {
        Series series{path, {}};

        for (const std::uint64_t size_bytes : bench.sizes_bytes()) {
            const BenchCase* row = bench.find(path, size_bytes, order);

            if (row != nullptr && row->get("per_page"))
                series.points.emplace_back(static_cast<double>(size_bytes) / (1 << 20),
                                           *row->get("per_page"));
        }
        chart.series.push_back(series);
    }
    return chart;
}

Chart chart_over_order(const Bench& bench, std::uint64_t size_bytes) {
    Chart chart = page_chart(
        bench, fmt::format("Cost of a page by extent order, buffer of {}", show_bytes(size_bytes)),
        {"order of the extents", 0, -0.5});

    for (const std::string& path : bench.paths()) {
        Series series{path, {}};

        for (const unsigned order : bench.orders()) {
            const BenchCase* row = bench.find(path, size_bytes, order);

            if (row != nullptr && row->get("per_page"))
                series.points.emplace_back(order, *row->get("per_page"));
        }
        chart.series.push_back(series);
    }
    return chart;
}

/* Curves over buffer size and over the order of the extents, where cases were measured. */
void add_charts(const Bench& bench, Section& section) {
    const auto sizes = bench.sizes_bytes();
    const auto add = [&section](const Chart& chart) {
        if (!std::ranges::all_of(chart.series,
                                 [](const Series& one) { return one.points.empty(); }))
            section.blocks.emplace_back(chart);
    };

    for (const std::uint64_t size_bytes : std::set{sizes.front(), sizes.back()})
        add(chart_over_order(bench, size_bytes));
    for (const unsigned order : bench.orders())
        add(chart_over_size(bench, order));
}

/* One pass of the benchmark: pictures, then the table that says most, then all others. */
Section cost_section(const std::string& title, const Bench& bench, bool with_charts) {
    Section section{title, {clock_statement(clock_of(bench))}, false, unmeasured(bench)};
    const bool has_sizes = !bench.sizes_bytes().empty();

    if (with_charts && has_sizes)
        add_charts(bench, section);
    section.blocks.emplace_back(operation_table(bench));
    if (const auto shares = share_table(bench))
        section.blocks.emplace_back(*shares);
    std::ranges::move(question_tables(bench), std::back_inserter(section.blocks));
    if (has_sizes) {
        section.blocks.emplace_back(whole_buffer_table(bench));
        section.blocks.emplace_back(all_buffers_table(bench));
    }
    std::ranges::move(spread_blocks(bench), std::back_inserter(section.blocks));
    section.blocks.emplace_back(every_case_table(bench));
    return section;
}

} // namespace

std::optional<Section> instruction_section(RunDir& run) {
    if (!run.icount)
        return std::nullopt;
    return cost_section("Cost in instructions", *run.icount, true);
}

/* Times that mean nothing are drawn only when there is nothing else to draw. */
std::optional<Section> time_section(RunDir& run) {
    if (!run.bench)
        return std::nullopt;
    return cost_section("Cost in time", *run.bench,
                        !run.icount || run.bench->context_or("clock", "") == "tsc");
}

} // namespace report
