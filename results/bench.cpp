// SPDX-License-Identifier: GPL-2.0
#include "bench.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "statistics.hpp"

namespace report {

namespace {

/* Axes whose value the report takes as a number. */
constexpr std::string_view numbers[] = {"threads", "hold_ns", "extents"};

/* An extent of this order has 2^63 bytes. */
constexpr std::uint64_t most_order = 51;

std::uint64_t parse_number(const BenchCase& row, std::string_view what, std::string_view text,
                           std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    const char* end = text.data() + text.size();
    std::uint64_t number = 0;
    const auto [last, error] = std::from_chars(text.data(), end, number);

    if (error != std::errc() || last != end || number > most)
        throw std::invalid_argument(fmt::format("case {}: the {} '{}' is no whole number up to {}",
                                                row.name, what, text, most));
    return number;
}

unsigned parse_order(const BenchCase& row, std::string_view text) {
    return static_cast<unsigned>(parse_number(row, "order", text, most_order));
}

/*
 * "resolve/path:get_pfn/size:4096/order:0", "baseline/ioctl",
 * "resolve/path:get_pfn/exporter:heap:system/size:4096"
 */
void parse_name(BenchCase& into) {
    std::size_t begin = 0;

    while (begin <= into.name.size()) {
        const std::size_t end = std::min(into.name.find('/', begin), into.name.size());
        const std::string part = into.name.substr(begin, end - begin);
        const std::size_t colon = part.find(':');
        const std::string key = part.substr(0, colon);
        const std::string value = colon == std::string::npos ? part : part.substr(colon + 1);

        if (key == "size")
            into.size_bytes = parse_number(into, key, value);
        else if (key == "order")
            into.order = parse_order(into, value);
        else if (key == "path" || colon == std::string::npos)
            into.path = value;
        else
            into.axes[key] = value;
        if (std::ranges::find(numbers, key) != std::end(numbers))
            (void)parse_number(into, key, value);
        begin = end + 1;
    }
    if (into.size_bytes.has_value() != into.order.has_value() &&
        !(into.is_foreign() && into.axes.contains("exporter")))
        throw std::invalid_argument("case " + into.name + " has a size or an order, but not both");
}

BenchCase parse_case(const nlohmann::json& json) {
    BenchCase parsed;

    parsed.name = json.at("name").get<std::string>();
    parse_name(parsed);
    if (json.value("error_occurred", false))
        parsed.error = json.value("error_message", "unknown error");
    for (const auto& [name, value] : json.items()) {
        if (value.is_number())
            parsed.counters[name] = value.get<double>();
        if (name.starts_with(order_counter))
            (void)parse_order(parsed, name.substr(order_counter.size()));
    }
    if (parsed.is_measured() && !parsed.get("per_op"))
        throw std::invalid_argument("case " + parsed.name + " has no per_op");
    return parsed;
}

/* What all repetitions of a counter say together. */
double merge_counter(const std::string& counter, const std::vector<double>& values) {
    /* What was found in a buffer. Each process has a buffer of its own. */
    if (counter == "runs" || counter.starts_with(order_counter))
        return values.front();
    if (counter == "per_op" || counter == "per_page" || counter == "clock_cost")
        return std::ranges::min(values);
    if (counter == "max")
        return std::ranges::max(values);
    if (counter == "batches" || counter == "ops" || counter == "pages")
        return std::accumulate(values.begin(), values.end(), 0.0);
    return median(values);
}

/* One case of its repetitions; of those that failed the first. */
BenchCase merge(const std::vector<BenchCase>& repetitions) {
    const auto failed = std::ranges::find_if_not(repetitions, &BenchCase::is_measured);
    BenchCase merged = failed == repetitions.end() ? repetitions.front() : *failed;

    if (!merged.is_measured())
        return merged;
    for (auto& [counter, value] : merged.counters) {
        std::vector<double> values;

        values.reserve(repetitions.size());
        for (const BenchCase& repetition : repetitions)
            values.push_back(repetition.get(counter).value_or(0));
        value = merge_counter(counter, values);
    }

    std::map<double, std::vector<double>> means; /* by process */

    for (const BenchCase& repetition : repetitions) {
        if (const auto mean = repetition.get("mean"))
            means[repetition.get("process").value_or(0)].push_back(*mean);
    }
    for (const auto& [process, values] : means)
        merged.means.push_back(median(values));
    return merged;
}

/* A case may be there once for each repetition in each process. */
bool is_same_run(const BenchCase& one, const BenchCase& other) {
    const auto is_same = [&](const char* counter) {
        return one.get(counter).value_or(0) == other.get(counter).value_or(0);
    };

    return is_same("process") && is_same("repetition_index");
}

/* The distinct values of @get over all plain cases that have a size, in the order of @Container. */
template <typename Get> auto distinct(const Bench& bench, Get get) {
    std::set<decltype(get(bench.cases.front()))> values;

    for (const BenchCase& bench_case : bench.cases) {
        if (!bench_case.is_baseline() && bench_case.is_plain())
            values.insert(get(bench_case));
    }
    return std::vector(values.begin(), values.end());
}

} // namespace

std::optional<double> BenchCase::get(const std::string& counter) const {
    const auto found = counters.find(counter);

    if (found == counters.end())
        return std::nullopt;
    return found->second;
}

std::string BenchCase::axis(const std::string& key) const {
    const auto found = axes.find(key);

    return found == axes.end() ? "" : found->second;
}

std::uint64_t BenchCase::number(const std::string& key) const {
    const auto found = axes.find(key);

    return found == axes.end() ? 0 : parse_number(*this, key, found->second);
}

std::string Bench::context_or(const std::string& name, const std::string& fallback) const {
    const auto found = context.find(name);

    return found == context.end() ? fallback : found->second;
}

const BenchCase* Bench::baseline(const std::string& name) const {
    const auto found = std::ranges::find_if(cases, [&name](const BenchCase& row) {
        return row.is_baseline() && row.is_plain() && row.path == name && row.is_measured();
    });

    return found == cases.end() ? nullptr : &*found;
}

const BenchCase* Bench::find(const std::string& path, std::uint64_t size_bytes,
                             unsigned order) const {
    const auto found = std::ranges::find_if(cases, [&](const BenchCase& row) {
        return row.path == path && row.size_bytes == size_bytes && row.order == order &&
               row.is_plain() && row.is_measured();
    });

    return found == cases.end() ? nullptr : &*found;
}

std::vector<std::string> Bench::paths() const {
    std::vector<std::string> names;

    for (const BenchCase& row : cases) {
        if (!row.is_baseline() && row.is_plain() &&
            std::ranges::find(names, row.path) == names.end())
            names.push_back(row.path);
    }
    return names;
}

std::vector<std::uint64_t> Bench::sizes_bytes() const {
    return distinct(*this, [](const BenchCase& row) { return row.size_bytes.value_or(0); });
}

std::vector<unsigned> Bench::orders() const {
    return distinct(*this, [](const BenchCase& row) { return row.order.value_or(0); });
}

Bench parse_bench(const nlohmann::json& json) {
    std::map<std::string, std::vector<BenchCase>> repetitions;
    std::vector<std::string> names; /* in their order */
    Bench bench;

    for (const auto& [name, value] : json.at("context").items()) {
        if (value.is_string())
            bench.context[name] = value.get<std::string>();
    }
    for (const nlohmann::json& row : json.at("benchmarks")) {
        if (row.value("run_type", "iteration") != "iteration")
            continue;

        BenchCase parsed = parse_case(row);
        auto& same = repetitions[parsed.name];

        if (std::ranges::any_of(same,
                                [&](const BenchCase& other) { return is_same_run(parsed, other); }))
            throw std::invalid_argument("case " + parsed.name + " stands there twice");
        if (same.empty())
            names.push_back(parsed.name);
        same.push_back(std::move(parsed));
    }
    for (const std::string& name : names)
        bench.cases.push_back(merge(repetitions[name]));
    /* Interleaved repetitions end in a random order; the library numbers cases as they were
     * planned. */
    std::ranges::stable_sort(
        bench.cases, {}, [](const BenchCase& row) { return row.get("family_index").value_or(0); });
    return bench;
}

} // namespace report
