// SPDX-License-Identifier: GPL-2.0
/* What a call costs on buffers of other exporters than the test exporter, and what it delivers. */
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "clock_statement.hpp"
#include "format.hpp"
#include "questions.hpp"
#include "sections.hpp"

namespace report {

namespace {

/* The paths that stand in the table, in the order of their columns. */
constexpr const char* shown_paths[] = {"exporter_op", "get_pfn", "get_pfn_stride", "get_pfn_batch",
                                       "sgt_map"};

/* The cases of one buffer, by path. */
struct Exporter {
    std::string name;
    std::uint64_t size_bytes = 0;
    std::map<std::string, const BenchCase*> cases = {};

    const BenchCase* find(const std::string& path) const {
        const auto found = cases.find(path);

        return found == cases.end() ? nullptr : found->second;
    }

    bool has(const BenchCase& row) const {
        return name == row.axis("exporter") && row.size_bytes == size_bytes;
    }

    /* A counter of the first case that has the counter: what was found is the same in all. */
    std::optional<double> found(const std::string& counter) const {
        for (const auto& [path, row] : cases)
            if (const auto value = row->get(counter))
                return value;
        return std::nullopt;
    }
};

/* The measured plain cases of each exporter, in the order of the plan. */
std::vector<Exporter> exporters_of(const Bench& bench) {
    std::vector<Exporter> exporters;

    for (const BenchCase& row : bench.cases) {
        if (!row.is_foreign() || !row.is_measured() || row.axes.size() != 1)
            continue;

        auto at = std::ranges::find_if(exporters,
                                       [&row](const Exporter& other) { return other.has(row); });

        if (at == exporters.end())
            at = exporters.insert(at, Exporter{row.axis("exporter"), *row.size_bytes});
        at->cases[row.path] = &row;
    }
    return exporters;
}

/* Pages by the order that get_pfn returned for them. */
std::map<unsigned, double> orders_of(const Exporter& exporter) {
    std::map<unsigned, double> orders;

    for (const auto& [path, row] : exporter.cases) {
        for (const auto& [counter, value] : row->counters) {
            if (counter.starts_with(order_counter))
                orders[static_cast<unsigned>(std::stoul(counter.substr(order_counter.size())))] =
                    value;
        }
        if (!orders.empty())
            break;
    }
    return orders;
}

/* "0 / 9 / 9": the smallest order, that of most pages, and the largest. */
std::string show_orders(const std::map<unsigned, double>& orders) {
    if (orders.empty())
        return "–";

    const auto most =
        std::ranges::max_element(orders, {}, [](const auto& entry) { return entry.second; });

    return fmt::format("{} / {} / {}", orders.begin()->first, most->first, orders.rbegin()->first);
}

std::optional<double> pages_per_op(const BenchCase* row) {
    if (row == nullptr || row->get("ops").value_or(0) == 0 || !row->get("pages"))
        return std::nullopt;
    return *row->get("pages") / *row->get("ops");
}

std::string show_cost(const BenchCase* row) {
    return show_number(row == nullptr ? std::nullopt : row->get("per_op"));
}

Row exporter_row(const std::string& name, std::uint64_t size_bytes, std::optional<double> runs,
                 const std::string& orders, const Exporter& exporter) {
    const BenchCase* stride = exporter.find("get_pfn_stride");
    Row row{{name, show_bytes(size_bytes), show_number(runs), orders}, Tone::plain};

    for (const char* path : shown_paths)
        row.cells.push_back(show_cost(exporter.find(path)));
    row.cells.push_back(show_number(pages_per_op(stride)));
    row.cells.push_back(show_number(stride == nullptr ? std::nullopt : stride->get("per_page")));
    return row;
}

/* The test exporter on its simplest buffer, to compare with. */
std::optional<Row> own_row(const Bench& bench) {
    const BenchCase* call = simplest_case(bench, "get_pfn");

    if (call == nullptr)
        return std::nullopt;

    Exporter own{"", *call->size_bytes};

    for (const char* path : shown_paths)
        if (const BenchCase* row = simplest_case(bench, path))
            own.cases[path] = row;
    if (const BenchCase* op = bench.baseline("exporter_op"))
        own.cases["exporter_op"] = op;

    const unsigned order = *call->order;

    return exporter_row("the test exporter", own.size_bytes, std::nullopt,
                        fmt::format("{0} / {0} / {0}", order), own);
}

Table cost_table(const Bench& bench, const std::vector<Exporter>& exporters) {
    Table table;

    table.caption = "One operation by exporter, in " + unit_and_clock(bench);
    table.note =
        "Columns from callback to sgt_map: the fastest batch. callback: the exporter's "
        "get_pfn without the core and the lock. sgt_map: the whole buffer. max_order: the "
        "smallest, that of most pages, the largest. runs: contiguous runs of pages. pages, "
        "per page: what an operation of get_pfn_stride delivers, and what it costs by page. "
        "The list of all cases has the samples.";
    table.columns = {{"exporter", false}, {"size", true},    {"runs", true},    {"max_order", true},
                     {"callback", true},  {"get_pfn", true}, {"stride", true},  {"batch", true},
                     {"sgt_map", true},   {"pages", true},   {"per page", true}};
    if (const auto own = own_row(bench))
        table.rows.push_back(*own);
    for (const Exporter& exporter : exporters)
        table.rows.push_back(exporter_row(exporter.name, exporter.size_bytes,
                                          exporter.found("runs"), show_orders(orders_of(exporter)),
                                          exporter));
    return table;
}

/* Paths that an exporter does not have, with the reason. */
Table absent_table(const Bench& bench, const std::vector<Exporter>& exporters) {
    Table table;

    table.caption = "Cases that an exporter does not have";
    table.placement = Placement::folded;
    table.columns = {{"exporter", false}, {"size", true}, {"path", false}, {"reason", false}};
    for (const BenchCase& row : bench.cases) {
        const auto has_row = [&row](const Exporter& exporter) { return exporter.has(row); };

        if (row.is_foreign() && row.is_beyond_machine() && row.axes.size() == 1 &&
            std::ranges::any_of(exporters, has_row))
            table.rows.push_back(
                {{row.axis("exporter"), show_bytes(*row.size_bytes), row.path, row.error},
                 Tone::plain});
    }
    return table;
}

/* How many pages of each buffer have each order. No rows when no exporter has get_pfn. */
Table order_table(const std::vector<Exporter>& exporters) {
    std::map<unsigned, double> any;
    Table table;

    table.caption = "Pages of each buffer by the max_order that get_pfn returned";
    table.placement = Placement::folded;
    table.columns = {{"exporter", false}, {"size", true}};
    for (const Exporter& exporter : exporters)
        any.merge(orders_of(exporter));
    for (const auto& [order, nr_pages] : any)
        table.columns.push_back({fmt::format("order {}", order), true});
    for (const Exporter& exporter : exporters) {
        const auto orders = orders_of(exporter);
        Row row{{exporter.name, show_bytes(exporter.size_bytes)}, Tone::plain};

        for (const auto& [order, nr_pages] : any)
            row.cells.push_back(orders.contains(order) ? show_number(orders.at(order)) : "–");
        if (!orders.empty())
            table.rows.push_back(row);
    }
    return table;
}

} // namespace

std::optional<Section> exporters_section(RunDir& run) {
    Section section{"Exporters", {}};

    for (const auto* bench : {&run.icount, &run.bench}) {
        if (!*bench)
            continue;

        const auto exporters = exporters_of(**bench);

        if (exporters.empty())
            continue;
        section.blocks.emplace_back(cost_table(**bench, exporters));
        if (Table orders = order_table(exporters); !orders.rows.empty())
            section.blocks.emplace_back(std::move(orders));
        if (Table absent = absent_table(**bench, exporters); !absent.rows.empty())
            section.blocks.emplace_back(std::move(absent));
    }
    return section.blocks.empty() ? std::nullopt : std::optional(section);
}

} // namespace report
