// SPDX-License-Identifier: GPL-2.0
#include "contention_section.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "cost_section.hpp"
#include "format.hpp"

namespace report {

namespace {

/* "contention/path:get_pfn/threads:4/hold_ns:1000/buffers:all[/mix:holder]" */
struct Case {
    std::string path;
    std::string buffers;
    unsigned threads = 0;
    std::uint64_t hold_ns = 0;
    bool holder = false;

    /* NOLINTNEXTLINE(modernize-use-nullptr): it takes the comparison with 0 for one of pointers */
    auto operator<=>(const Case&) const = default;
};

Case parse_case(const std::string& name) {
    Case parsed;

    for (std::size_t begin = 0; begin < name.size();) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        const std::string part = name.substr(begin, end - begin);
        const std::size_t colon = std::min(part.find(':'), part.size());
        const std::string key = part.substr(0, colon);
        const std::string value = colon < part.size() ? part.substr(colon + 1) : "";

        if (key == "path")
            parsed.path = value;
        else if (key == "buffers")
            parsed.buffers = value;
        else if (key == "threads")
            parsed.threads = static_cast<unsigned>(std::stoul(value));
        else if (key == "hold_ns")
            parsed.hold_ns = std::stoull(value);
        else if (key == "mix")
            parsed.holder = value == "holder";
        begin = end + 1;
    }
    return parsed;
}

using Rows = std::map<Case, const BenchCase*>;

Rows measured_rows(const Bench& bench) {
    Rows rows;

    for (const BenchCase& row : bench.cases)
        if (row.is_measured())
            rows[parse_case(row.name)] = &row;
    return rows;
}

/* The distinct values of @member in rows with or without a holder, ascending. */
template <typename Member> auto distinct(const Rows& rows, bool holder, Member member) {
    std::set<std::remove_cvref_t<decltype(Case{}.*member)>> values;

    for (const auto& [which, row] : rows)
        if (which.holder == holder)
            values.insert(which.*member);
    return std::vector(values.begin(), values.end());
}

/* Operations per 1,000 ticks of all threads together; nothing when it was not measured. */
std::optional<double> throughput(const Rows& rows, const Case& which) {
    const auto found = rows.find(which);

    if (found == rows.end())
        return std::nullopt;
    return 1000 / found->second->get("per_op").value_or(0);
}

/* How much of n times the throughput of one thread is there with n. */
std::optional<double> efficiency(const Rows& rows, const Case& which) {
    Case single = which;

    single.threads = 1;

    const std::optional<double> all = throughput(rows, which);
    const std::optional<double> one = throughput(rows, single);

    if (!all || !one)
        return std::nullopt;
    return *all / (which.threads * *one);
}

std::string percent(std::optional<double> share) {
    return share ? fmt::format("{:.0f} %", 100 * *share) : "–";
}

constexpr std::pair<const char*, const char*> sharings[] = {{"all", "one buffer for all"},
                                                            {"each", "a buffer for each"},
                                                            {"sets", "overlapping sets of 4"}};

std::string unit_and_clock(const Bench& bench) {
    return fmt::format("{}, clock: {}", bench.context_or("unit", "ticks"),
                       bench.context_or("clock", "invalid"));
}

Chart sharing_chart(const Bench& bench, const Rows& rows, std::uint64_t hold_ns) {
    Chart chart{fmt::format("One reservation lock per buffer, held for {} ns ({})",
                            show_number(static_cast<double>(hold_ns)), unit_and_clock(bench)),
                {"threads", 0, 0},
                {"operations per 1,000 " + bench.context_or("unit", "ticks"), 0, 0},
                true,
                {}};

    for (const auto& [buffers, name] : sharings) {
        Series series{name, {}};

        for (const unsigned threads : distinct(rows, false, &Case::threads))
            if (const auto value = throughput(rows, {"get_pfn", buffers, threads, hold_ns, false}))
                series.points.emplace_back(threads, *value);
        chart.series.push_back(series);
    }
    return chart;
}

/* The case for and against, in numbers; with as many threads as were measured. */
Paragraph sharing_verdict(const Rows& rows, std::uint64_t hold_ns) {
    const unsigned threads = distinct(rows, false, &Case::threads).back();
    const auto at = [&](const char* buffers) {
        return throughput(rows, {"get_pfn", buffers, threads, hold_ns, false}).value_or(0);
    };
    const auto share = [&](const char* buffers) {
        return percent(at("each") == 0 ? std::nullopt : std::optional(at(buffers) / at("each")));
    };

    return {fmt::format(
                "{} threads, a hold of {} ns: with one lock for all they get {} of what they "
                "get with a buffer and so a lock each, with overlapping sets of four buffers "
                "{} (an operation then resolves a page of each of the four).",
                threads, show_number(static_cast<double>(hold_ns)), share("all"), share("sets")),
            Tone::plain};
}

Table sharing_table(const Bench& bench, const Rows& rows) {
    Table table{
        fmt::format("Operations per 1,000 {} of all threads together, and the share of "
                    "perfect scaling ({}); get_pfn spelt out: lock, dma_buf_get_pfn(), unlock",
                    bench.context_or("unit", "ticks"), unit_and_clock(bench)),
        {{"hold ns", true}, {"threads", true}},
        {}};

    for (const auto& [buffers, name] : sharings) {
        table.columns.push_back({name, true});
        table.columns.push_back({"scaling", true});
    }
    for (const std::uint64_t hold_ns : distinct(rows, false, &Case::hold_ns)) {
        for (const unsigned threads : distinct(rows, false, &Case::threads)) {
            Row row{{show_number(static_cast<double>(hold_ns)), std::to_string(threads)},
                    Tone::plain};

            for (const auto& [buffers, name] : sharings) {
                const Case which{"get_pfn", buffers, threads, hold_ns, false};

                row.cells.push_back(show_number(throughput(rows, which)));
                row.cells.push_back(percent(efficiency(rows, which)));
            }
            table.rows.push_back(row);
        }
    }
    return table;
}

/* @prefix: "wait_" for the lock, "" for whole operations. */
void add_distribution(Row& row, const BenchCase& from, const std::string& prefix) {
    for (const char* counter : {"p50", "p90", "p99", "p999", "max"})
        row.cells.push_back(show_number(from.get(prefix + counter)));
}

const std::vector<Column> distribution_columns = {
    {"p50", true}, {"p90", true}, {"p99", true}, {"p99.9", true}, {"max", true}};

std::string fairness(const BenchCase& row) {
    return fmt::format("{:.3f} ({} to {})", row.get("jain").value_or(0),
                       show_number(row.get("ops_min")), show_number(row.get("ops_max")));
}

Table wait_table(const Bench& bench, const Rows& rows) {
    Table table{fmt::format("Wait for the locks of an operation ({}); fairness: Jain's index, "
                            "fewest and most operations of a thread",
                            unit_and_clock(bench)),
                {{"buffers", false}, {"hold ns", true}, {"threads", true}},
                {}};

    table.columns.insert(table.columns.end(), distribution_columns.begin(),
                         distribution_columns.end());
    for (const char* title : {"operations", "-EDEADLK", "locks retaken", "fairness"})
        table.columns.push_back({title, true});
    for (const auto& [which, row] : rows) {
        if (which.holder)
            continue;

        Row shown{{which.buffers, show_number(static_cast<double>(which.hold_ns)),
                   std::to_string(which.threads)},
                  Tone::plain};

        add_distribution(shown, *row, "wait_");
        for (const char* counter : {"ops", "backoffs", "retries"})
            shown.cells.push_back(show_number(row->get(counter)));
        shown.cells.push_back(fairness(*row));
        table.rows.push_back(shown);
    }
    return table;
}

Table holder_table(const Bench& bench, const Rows& rows) {
    Table table{
        fmt::format("Whole operations, waits included, of one buffer beside a thread that has "
                    "its reservation lock for half of the time ({})",
                    unit_and_clock(bench)),
        {{"path", false}, {"hold ns", true}, {"threads", true}, {"per 1,000", true}},
        {}};

    table.columns.insert(table.columns.end(), distribution_columns.begin(),
                         distribution_columns.end());
    for (const char* title : {"operations", "fairness"})
        table.columns.push_back({title, true});
    for (const auto& [which, row] : rows) {
        if (!which.holder)
            continue;

        Row shown{{which.path, show_number(static_cast<double>(which.hold_ns)),
                   std::to_string(which.threads), show_number(throughput(rows, which))},
                  Tone::plain};

        add_distribution(shown, *row, "");
        shown.cells.push_back(show_number(row->get("ops")));
        shown.cells.push_back(fairness(*row));
        table.rows.push_back(shown);
    }
    return table;
}

/* What the numbers mean. Instruction counts of several processors are not what those of one are. */
Paragraph worth_of(const std::string& clock) {
    if (clock != "icount")
        return clock_statement(clock);
    return {"Clock icount: the instructions of all processors are counted by one clock. Work of "
            "several at once adds up, what they spin away together passes once: the shape of the "
            "curves means something, and perfect scaling is out of reach. Two boots of the same "
            "build agree in every digit; who gets the lock is still one order of many.",
            Tone::plain};
}

/* The shortest that is one: most like what an exporter does. */
std::optional<std::uint64_t> typical_hold(const Rows& rows) {
    for (const std::uint64_t hold_ns : distinct(rows, false, &Case::hold_ns))
        if (hold_ns != 0)
            return hold_ns;
    return std::nullopt;
}

} // namespace

Section contention_section(const Bench& bench) {
    const Rows rows = measured_rows(bench);
    const std::optional<std::uint64_t> hold_ns = typical_hold(rows);
    Section section{"Contention for reservation locks", {}};

    if (rows.empty()) {
        section.blocks.emplace_back(Paragraph{"Nothing was measured.", Tone::warning});
        return section;
    }
    section.blocks.emplace_back(worth_of(bench.context_or("clock", "invalid")));
    if (hold_ns) {
        section.blocks.emplace_back(sharing_verdict(rows, *hold_ns));
        section.blocks.emplace_back(sharing_chart(bench, rows, *hold_ns));
    }
    section.blocks.emplace_back(sharing_table(bench, rows));
    section.blocks.emplace_back(wait_table(bench, rows));
    if (!distinct(rows, true, &Case::threads).empty())
        section.blocks.emplace_back(holder_table(bench, rows));
    return section;
}

} // namespace report
