// SPDX-License-Identifier: GPL-2.0
/* What waiting for reservation locks costs, as bench_contention measured. */
#include "contention_section.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "clock_statement.hpp"
#include "format.hpp"
#include "sections.hpp"

namespace report {

namespace {

/* "contention/path:get_pfn/threads:4/hold_ns:1000/buffers:all[/mix:holder]" */
struct Case {
    std::string path;
    std::string buffers;
    std::uint64_t threads = 0;
    std::uint64_t hold_ns = 0;
    bool holder = false;

    /* NOLINTNEXTLINE(modernize-use-nullptr): it takes the comparison with 0 for one of pointers */
    auto operator<=>(const Case&) const = default;
};

Case case_of(const BenchCase& row) {
    return {row.path, row.axis("buffers"), row.number("threads"), row.number("hold_ns"),
            row.axis("mix") == "holder"};
}

using Rows = std::map<Case, const BenchCase*>;

Rows measured_rows(const Bench& bench) {
    Rows rows;

    for (const BenchCase& row : bench.cases)
        if (row.is_measured())
            rows[case_of(row)] = &row;
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
    return *all / (static_cast<double>(which.threads) * *one);
}

std::string percent(std::optional<double> share) {
    return share ? fmt::format("{:.0f} %", 100 * *share) : "–";
}

constexpr std::pair<const char*, const char*> sharings[] = {
    {"all", "one buffer for all threads"},
    {"each", "a buffer for each thread"},
    {"sets", "overlapping sets of 4 buffers"}};

Chart sharing_chart(const Bench& bench, const Rows& rows, std::uint64_t hold_ns) {
    Chart chart{fmt::format("Operations of all threads; a lock is held for {} ns",
                            show_number(static_cast<double>(hold_ns))),
                {"threads", 0, 0},
                {"operations per 1,000 " + unit_and_clock(bench), 0, 0},
                true,
                {}};

    for (const auto& [buffers, name] : sharings) {
        Series series{name, {}};

        for (const std::uint64_t threads : distinct(rows, false, &Case::threads))
            if (const auto value = throughput(rows, {"get_pfn", buffers, threads, hold_ns, false}))
                series.points.emplace_back(static_cast<double>(threads), *value);
        chart.series.push_back(series);
    }
    return chart;
}

/* What sharing a lock costs, with the largest number of threads. */
Paragraph sharing_verdict(const Rows& rows, std::uint64_t hold_ns) {
    const std::uint64_t threads = distinct(rows, false, &Case::threads).back();
    const auto at = [&](const char* buffers) {
        return throughput(rows, {"get_pfn", buffers, threads, hold_ns, false}).value_or(0);
    };
    const auto share = [&](const char* buffers) {
        return percent(at("each") == 0 ? std::nullopt : std::optional(at(buffers) / at("each")));
    };

    return {fmt::format(
                "{} threads hold a lock for {} ns in each operation. With one buffer, and so one "
                "lock, for all threads they complete {} of the operations that they complete with "
                "a buffer each. With overlapping sets of four buffers they complete {}; an "
                "operation then resolves a page of each of the four.",
                threads, show_number(static_cast<double>(hold_ns)), share("all"), share("sets")),
            Tone::plain};
}

Table sharing_table(const Bench& bench, const Rows& rows) {
    Table table{
        fmt::format("Operations of all threads per 1,000 {}", unit_and_clock(bench)),
        "An operation locks, calls dma_buf_get_pfn() and unlocks. scaling: the operations against "
        "those of one thread times the number of threads.",
        {{"hold ns", true}, {"threads", true}},
        {},
        Placement::folded};

    for (const auto& [buffers, name] : sharings) {
        table.columns.push_back({name, true});
        table.columns.push_back({"scaling", true});
    }
    for (const std::uint64_t hold_ns : distinct(rows, false, &Case::hold_ns)) {
        for (const std::uint64_t threads : distinct(rows, false, &Case::threads)) {
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
    Table table{"Wait for the locks of an operation, in " + unit_and_clock(bench),
                "buffers: one for all threads, one for each, or overlapping sets of four. "
                "fairness: Jain's index, and in brackets the fewest and most operations of a "
                "thread.",
                {{"buffers", false}, {"hold ns", true}, {"threads", true}},
                {},
                Placement::folded};

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
        "Operations beside a thread that holds the lock half of the time, in " +
            unit_and_clock(bench),
        "All threads use one buffer. An operation includes its wait for the lock. per 1,000: "
        "operations of all threads.",
        {{"path", false}, {"hold ns", true}, {"threads", true}, {"per 1,000", true}},
        {},
        Placement::folded};

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

/* What the numbers mean: instruction counts of several processors differ from those of one. */
Paragraph worth_of(const std::string& clock) {
    if (clock != "icount")
        return clock_statement(clock);
    return {"Clock icount: one clock counts the instructions of all processors. When several "
            "processors work, their instructions add up; when they spin together, the clock "
            "advances once. So the shape of the curves can be trusted, and no curve can scale "
            "perfectly. Two boots of the same build agree in every digit, but they show one order "
            "of the threads out of many.",
            Tone::plain};
}

/* The shortest hold above 0 is most like that of an exporter. */
std::optional<std::uint64_t> typical_hold(const Rows& rows) {
    for (const std::uint64_t hold_ns : distinct(rows, false, &Case::hold_ns))
        if (hold_ns != 0)
            return hold_ns;
    return std::nullopt;
}

std::uint64_t most_threads(const Rows& rows) {
    return distinct(rows, false, &Case::threads).back();
}

} // namespace

std::optional<Bars> contention_bars(const Bench& bench) {
    const Rows rows = measured_rows(bench);
    const std::optional<std::uint64_t> hold_ns = typical_hold(rows);

    if (!hold_ns)
        return std::nullopt;

    const std::uint64_t threads = most_threads(rows);
    Bars bars{fmt::format("{} threads that contend: operations per 1,000 {}", threads,
                          unit_and_clock(bench)),
              fmt::format("A thread holds a reservation lock for {} ns in each operation.",
                          show_number(static_cast<double>(*hold_ns))),
              {}};

    for (const auto& [buffers, name] : sharings) {
        if (const auto value = throughput(rows, {"get_pfn", buffers, threads, *hold_ns, false}))
            bars.bars.push_back({name, *value, show_number(*value)});
    }
    return bars.bars.empty() ? std::nullopt : std::optional(bars);
}

std::optional<Section> contention_section(RunDir& run) {
    if (!run.contention)
        return std::nullopt;

    const Bench& bench = *run.contention;
    const Rows rows = measured_rows(bench);
    const std::optional<std::uint64_t> hold_ns = typical_hold(rows);
    Section section{"Contention for reservation locks", {}, false, unmeasured(bench)};

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
