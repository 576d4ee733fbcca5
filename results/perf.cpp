// SPDX-License-Identifier: GPL-2.0
#include "perf.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "format.hpp"

namespace report {

namespace {

constexpr std::size_t shown_functions = 12;
constexpr const char* cycles = "cycles:k";

std::optional<Counter> parse_counter(const nlohmann::json& value) {
    if (value.is_null())
        return std::nullopt;

    const Counter counter{value.at("count").get<double>(), value.at("running").get<double>()};

    if (counter.running <= 0 || counter.running > 100)
        throw std::invalid_argument("a counter that ran for no part of the time, or for more");
    return counter;
}

PerfPath parse_path(const nlohmann::json& object) {
    PerfPath path;

    path.path = object.at("path").get<std::string>();
    path.name = object.at("case").get<std::string>();
    path.ops = object.at("ops").get<double>();
    path.event = object.at("event").get<std::string>();
    for (const auto& [event, value] : object.at("counters").items())
        path.counters[event] = parse_counter(value);
    for (const nlohmann::json& stack : object.at("stacks"))
        path.stacks.push_back({stack.at(0).get<std::string>(), stack.at(1).get<std::uint64_t>()});
    if (path.ops <= 0)
        throw std::invalid_argument("path " + path.path + " has no operations");
    return path;
}

bool has(const PerfPath& path, const std::string& event) {
    const auto found = path.counters.find(event);

    return found != path.counters.end() && found->second.has_value();
}

/* @counted: the events of which some path has a counter; else those of which some path has none. */
std::set<std::string> events(const Perf& perf, bool counted) {
    std::set<std::string> names;

    for (const PerfPath& path : perf.paths) {
        for (const auto& [event, value] : path.counters) {
            if (value.has_value() == counted)
                names.insert(event);
        }
    }
    return names;
}

Paragraph pmu_statement(const Perf& perf) {
    const bool pmu =
        std::ranges::any_of(perf.paths, [](const PerfPath& path) { return has(path, cycles); });

    if (pmu)
        return {"The processor counted, in the kernel only. Samples are taken by cycles.",
                Tone::good};
    return {
        "This machine offers no hardware counters: no cycles, instructions, cache or TLB misses. "
        "There are only software events, and samples by a timer. The timer cannot fire while "
        "interrupts are off.",
        Tone::warning};
}

/* Per operation; with the share of the time if perf had to extrapolate. */
std::string show_counter(const PerfPath& path, const std::string& event) {
    if (!has(path, event))
        return "–";

    const Counter& counter = *path.counters.at(event);
    const std::string number = fmt::format("{:.4g}", counter.count / path.ops);

    return counter.running < 100 ? fmt::format("{} ({:.0f} %)", number, counter.running) : number;
}

Table counter_table(const Perf& perf) {
    Table table;

    table.caption = "perf stat of the simplest case of each path, per operation";
    table.note = "Each number is the difference between a long and a short run. The warm-up batch "
                 "of a measurement is counted too. A percentage in brackets is the share of the "
                 "time in which the processor counted the event. task-clock is in ms.";
    table.columns = {{"path", false}, {"ops", true}};
    for (const std::string& event : events(perf, true))
        table.columns.push_back({event, true});
    for (const PerfPath& path : perf.paths) {
        Row row{{path.path, show_number(path.ops)}, Tone::plain};

        for (const std::string& event : events(perf, true))
            row.cells.push_back(show_counter(path, event));
        table.rows.push_back(row);
    }
    return table;
}

struct Share {
    std::uint64_t self = 0;
    std::uint64_t total = 0; /* with what it called */
};

/* Samples by function; one that is in a stack twice counts once. */
std::map<std::string, Share> shares(const PerfPath& path) {
    std::map<std::string, Share> found;

    for (const Stack& stack : path.stacks) {
        const std::vector<std::string> frames = split_frames(stack);

        for (const std::string& frame : std::set(frames.begin(), frames.end()))
            found[frame].total += stack.count;
        if (!frames.empty())
            found[frames.back()].self += stack.count;
    }
    return found;
}

Table function_table(const PerfPath& path) {
    const auto found = shares(path);
    std::vector<std::pair<std::string, Share>> rows(found.begin(), found.end());
    std::uint64_t samples = 0;
    Table table{"",
                "",
                {{"function", false}, {"self", true}, {"with callees", true}},
                {},
                Placement::folded};

    for (const Stack& stack : path.stacks)
        samples += stack.count;
    std::ranges::stable_sort(rows, [](const auto& left, const auto& right) {
        return left.second.self > right.second.self;
    });
    if (rows.size() > shown_functions)
        rows.resize(shown_functions);
    table.caption = fmt::format("{}: the functions with most of {} samples of {}", path.name,
                                samples, path.event);
    for (const auto& [name, share] : rows) {
        const auto percent = [samples](std::uint64_t count) {
            return fmt::format("{:.1f} %",
                               100.0 * static_cast<double>(count) / static_cast<double>(samples));
        };

        table.rows.push_back({{name, percent(share.self), percent(share.total)}, Tone::plain});
    }
    return table;
}

} // namespace

Perf parse_perf(const nlohmann::json& object) {
    Perf perf;

    for (const nlohmann::json& path : object.at("paths"))
        perf.paths.push_back(parse_path(path));
    object.at("failures").get_to(perf.failures);
    return perf;
}

std::vector<Block> perf_blocks(const Perf& perf) {
    if (perf.paths.empty())
        return {Paragraph{"No path could be measured.", Tone::warning}};

    std::vector<Block> blocks = {pmu_statement(perf), counter_table(perf)};

    for (const PerfPath& path : perf.paths) {
        if (path.stacks.empty())
            continue;
        blocks.emplace_back(FlameGraph{path.name, path.stacks});
        blocks.emplace_back(function_table(path));
    }
    return blocks;
}

std::vector<std::string> unmeasured(const Perf& perf) {
    std::vector<std::string> lines;

    for (const std::string& failure : perf.failures)
        lines.push_back("perf, " + failure);
    if (const auto absent = events(perf, false); !absent.empty())
        lines.push_back(fmt::format("perf, {}: this machine does not offer these counters",
                                    fmt::join(absent, " ")));
    for (const PerfPath& path : perf.paths) {
        if (path.stacks.empty())
            lines.push_back("perf, stacks of " + path.name + ": no sample fell into the kernel");
    }
    return lines;
}

} // namespace report
