// SPDX-License-Identifier: GPL-2.0
#include "latency_blocks.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "format.hpp"

namespace report {

namespace {

/* These labels repeat the environment, or are shown otherwise: clock and tracer in the caption. */
const std::set<std::string> hidden_labels = {"api",     "clock", "flavour", "kernel",
                                             "lost_is", "mode",  "tool",    "cut"};

std::string label(const testexp::NamedHistogram& row, const std::string& name) {
    const auto found = row.labels.find(name);

    return found == row.labels.end() ? "" : found->second;
}

/* What one table shares: tracer, unit and clock. Values of two units or clocks are not compared. */
struct TableKey {
    std::string tracer;
    std::string unit;
    std::string clock;

    bool operator==(const TableKey&) const = default;
};

/* "dmabuf-lat, fentry" */
std::string tracer_of(const testexp::NamedHistogram& row) {
    const std::string tool = label(row, "tool");

    return tool.empty() ? label(row, "mode") : tool + ", " + label(row, "mode");
}

TableKey key_of(const testexp::NamedHistogram& row) {
    return {tracer_of(row), row.unit, label(row, "clock")};
}

/* The values of each label over all rows; a row without the label has "". */
std::map<std::string, std::set<std::string>> label_values(const Histograms& rows) {
    std::map<std::string, std::set<std::string>> values;

    for (const testexp::NamedHistogram& row : rows) {
        for (const auto& [name, value] : row.labels) {
            if (!hidden_labels.contains(name))
                values[name];
        }
    }
    for (auto& [name, found] : values) {
        for (const testexp::NamedHistogram& row : rows)
            found.insert(label(row, name));
    }
    return values;
}

std::string whole(std::uint64_t value) {
    return show_number(static_cast<double>(value));
}

const std::vector<Column> value_columns = {
    {"count", true}, {"lost", true}, {"unmatched", true}, {"min", true},   {"mean", true},
    {"p50", true},   {"p90", true},  {"p99", true},       {"p99.9", true}, {"max", true}};

std::vector<std::string> value_cells(const testexp::NamedHistogram& row) {
    const std::string lost = (label(row, "lost_is") == "at_least" ? "≥ " : "") + whole(row.lost);
    std::vector<std::string> cells = {whole(row.hist.count), lost, whole(row.unmatched),
                                      whole(row.hist.min), show_number(testexp::mean(row.hist))};

    for (const double percent : {50.0, 90.0, 99.0, 99.9})
        cells.push_back(whole(testexp::percentile(row.hist, percent)));
    cells.push_back(whole(row.hist.max));
    return cells;
}

bool is_silent(const testexp::NamedHistogram& row) {
    return row.hist.count + row.lost + row.unmatched == 0;
}

/* Nobody knows whether it was called. The report says why where it says what was not measured. */
bool is_untraced(const testexp::NamedHistogram& row) {
    return is_silent(row) && row.labels.contains("cut");
}

/* Functions that were traced and never called are a sentence, not a row each. */
std::string silent_note(const Histograms& rows) {
    std::vector<std::string> names;

    for (const testexp::NamedHistogram& row : rows) {
        if (is_silent(row))
            names.push_back(row.name);
    }
    return names.empty() ? "" : fmt::format(" Never called: {}.", fmt::join(names, ", "));
}

Table latency_table(const TableKey& key, const Histograms& rows) {
    const auto labels = label_values(rows);
    Table table{fmt::format("Seen by {}, in {} (clock: {})", key.tracer, key.unit, key.clock),
                "",
                {{"function", false}},
                {},
                Placement::folded};

    table.note = "lost: calls that could not be recorded. unmatched: entries without a return, and "
                 "returns without an entry. A value of a function also contains the probes of "
                 "traced functions that it calls.";
    for (const auto& [name, values] : labels) {
        if (values.size() == 1)
            table.note += fmt::format(" {}: {}.", name, *values.begin());
        else
            table.columns.push_back({name, false});
    }
    table.note += silent_note(rows);
    table.columns.insert(table.columns.end(), value_columns.begin(), value_columns.end());
    for (const testexp::NamedHistogram& row : rows) {
        if (is_silent(row))
            continue;

        Row line{{row.name}, row.lost + row.unmatched != 0 ? Tone::warning : Tone::plain};

        for (const auto& [name, values] : labels) {
            if (values.size() > 1)
                line.cells.push_back(label(row, name));
        }
        std::ranges::move(value_cells(row), std::back_inserter(line.cells));
        table.rows.push_back(line);
    }
    return table;
}

/*
 * A histogram as the outline of its bars, in percent of all values per octave. Buckets are not
 * equally wide on a logarithmic axis, so bare counts would jump where the width of the buckets
 * does.
 */
Series outline(const testexp::NamedHistogram& from) {
    Series series{tracer_of(from), {}};
    std::uint32_t open = TESTEXP_HIST_BUCKETS; /* the bucket whose right edge is not drawn yet */

    for (std::uint32_t index = 0; index < TESTEXP_HIST_BUCKETS; index++) {
        if (from.hist.buckets[index] == 0)
            continue;

        /* a logarithmic axis has no 0 */
        const double left = std::max(0.5, static_cast<double>(testexp_hist_lower(index)));
        const double right = static_cast<double>(testexp_hist_upper(index)) + 1;
        const double share = 100.0 * static_cast<double>(from.hist.buckets[index]) /
                             static_cast<double>(from.hist.count);
        const double density = share / std::log2(right / left);

        if (open != index) {
            if (!series.points.empty())
                series.points.emplace_back(series.points.back().first, 0);
            series.points.emplace_back(left, 0);
        }
        series.points.emplace_back(left, density);
        series.points.emplace_back(right, density);
        open = index + 1;
    }
    if (!series.points.empty())
        series.points.emplace_back(series.points.back().first, 0);
    return series;
}

/* The sum over all buffers, processes or stacks is drawn, not each of them. */
bool is_part(const testexp::NamedHistogram& row) {
    return row.labels.contains("buffer") || row.labels.contains("process") ||
           row.labels.contains("stack");
}

/* One chart for each function, unit and clock, with a curve for each tracer. */
std::vector<Block> charts(const Histograms& latency) {
    std::vector<Chart> drawn;

    for (const testexp::NamedHistogram& row : latency) {
        const std::string title = row.name + " (clock: " + label(row, "clock") + ")";
        const std::string x_label = "latency in " + row.unit;
        auto chart = std::ranges::find_if(drawn, [&](const Chart& other) {
            return other.title == title && other.x.label == x_label;
        });

        if (row.hist.count == 0 || is_part(row))
            continue;
        if (chart == drawn.end()) {
            drawn.push_back({title, {x_label, 10}, {"% of calls per octave", 0, 0}, false, {}});
            chart = drawn.end() - 1;
        }
        chart->series.push_back(outline(row));
    }
    return {drawn.begin(), drawn.end()};
}

} // namespace

bool is_about_locks(const testexp::NamedHistogram& histogram) {
    return histogram.name.starts_with("dma_resv ") || histogram.name.starts_with("ww_mutex ");
}

std::vector<Block> latency_blocks(const Histograms& latency) {
    Histograms traced = latency;
    std::erase_if(traced, is_untraced);
    std::vector<Block> blocks = charts(traced);
    std::vector<TableKey> keys; /* in the order of the file */

    for (const testexp::NamedHistogram& row : traced) {
        if (std::ranges::find(keys, key_of(row)) == keys.end())
            keys.push_back(key_of(row));
    }
    for (const TableKey& key : keys) {
        Histograms rows;

        std::ranges::copy_if(traced, std::back_inserter(rows),
                             [&](const auto& row) { return key_of(row) == key; });
        blocks.emplace_back(latency_table(key, rows));
    }
    return blocks;
}

} // namespace report
