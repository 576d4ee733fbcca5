// SPDX-License-Identifier: GPL-2.0
#include "bpftrace_json.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>
#include <vector>

namespace latency {

using nlohmann::json;
using testexp::NamedHistogram;

namespace {

/* What calls.bt knows of one function. */
struct Function {
    std::map<std::string, std::uint64_t> values; /* by the map's name */
    testexp_hist hist = testexp::empty_hist();   /* only the buckets */

    std::uint64_t get(const std::string& map) const {
        const auto found = values.find(map);
        return found == values.end() ? 0 : found->second;
    }
};

struct Traced {
    std::vector<Function> functions;
    std::set<std::string> maps = {}; /* that were printed, for any function */
    std::uint64_t lost = 0;
    bool is_cut = false; /* bpftrace was stopped, so lines may be missing */

    Function& at(const std::string& number) {
        for (std::size_t i = 0; i < functions.size(); i++)
            if (number == std::to_string(i))
                return functions[i];
        throw std::out_of_range("function " + number + " has no name");
    }
};

/* A bucket of bpftrace ends where one of ours ends, so its count goes there. */
void add_bucket(testexp_hist& hist, const json& bucket) {
    const std::uint64_t upper =
        bucket.contains("max") ? testexp::count_from_json(bucket.at("max")) : ~std::uint64_t{0};
    hist.buckets[testexp_hist_index(upper)] += testexp::count_from_json(bucket.at("count"));
}

void read_line(const json& line, Traced& traced) {
    const auto& type = line.at("type").get_ref<const std::string&>();
    if (type == "lost_events")
        traced.lost += testexp::count_from_json(line.at("data").at("events"));
    if (type != "map" && type != "hist")
        return;

    for (const auto& [map, by_number] : line.at("data").items()) {
        traced.maps.insert(map);
        for (const auto& [number, value] : by_number.items()) {
            Function& function = traced.at(number);
            if (type == "map")
                function.values[map] = testexp::count_from_json(value);
            else
                for (const json& bucket : value)
                    add_bucket(function.hist, bucket);
        }
    }
}

/* Why @hist, the histogram of @function, is not whole, or "". */
std::string why_not_whole(const Function& function, const testexp_hist& hist,
                          const Traced& traced) {
    const auto& buckets = function.hist.buckets;
    const std::uint64_t in_buckets =
        std::accumulate(std::begin(buckets), std::end(buckets), std::uint64_t{0});
    const std::uint64_t count = function.get("@count");

    if (traced.is_cut && !traced.maps.contains("@count"))
        return "bpftrace was stopped before it printed @count";
    if (in_buckets != count)
        return "its buckets hold " + std::to_string(in_buckets) + " values, not its count of " +
               std::to_string(count);
    for (const char* map : {"@sum", "@min", "@max"})
        if (count != 0 && !function.values.contains(map))
            return std::string("bpftrace was stopped before it printed ") + map;
    if (!testexp::fits_buckets(hist, testexp::Buckets::octaves))
        return "its @min, @max or @sum does not fit its buckets";
    return "";
}

void fill(NamedHistogram& into, const Function& from) {
    const std::uint64_t count = from.get("@count");
    const std::uint64_t entered = from.get("@entered");

    into.hist = from.hist;
    if (count != 0) {
        into.hist.count = count;
        into.hist.sum = from.get("@sum");
        into.hist.min = from.get("@min");
        into.hist.max = from.get("@max");
    }
    into.unmatched = from.get("@unmatched") + entered - std::min(entered, count);
}

/* All lines; of one that a stopped bpftrace has not finished, that it is there. */
testexp::Status read_lines(std::istream& text, Traced& traced) {
    std::string line;

    for (int number = 1; std::getline(text, line); number++) {
        if (line.empty())
            continue;
        try {
            read_line(json::parse(line), traced);
        } catch (const std::exception& problem) {
            if (text.eof() && line.front() == '{' &&
                dynamic_cast<const json::parse_error*>(&problem) != nullptr) {
                traced.is_cut = true;
                return std::monostate{};
            }
            return testexp::Error{EINVAL, "line " + std::to_string(number) +
                                              " is not of bpftrace -f json: " + problem.what()};
        }
    }
    return std::monostate{};
}

} // namespace

testexp::Result<Traces> from_bpftrace(std::istream& text, std::span<const std::string> functions,
                                      const testexp::Environment& environment, bool was_stopped) {
    Traced traced{.functions = std::vector<Function>(functions.size()), .is_cut = was_stopped};
    Traces traces;

    if (const testexp::Status read = read_lines(text, traced); !read)
        return read.error();
    if (traced.is_cut)
        traces.problems.emplace_back(was_stopped
                                         ? "bpftrace was stopped: lines may be missing"
                                         : "bpftrace was stopped: its last line is cut off");
    for (std::size_t i = 0; i < functions.size(); i++) {
        NamedHistogram histogram = named(functions[i], "bpftrace", "kprobe", environment);
        fill(histogram, traced.functions[i]);

        const std::string why = why_not_whole(traced.functions[i], histogram.hist, traced);

        if (!why.empty()) {
            traces.problems.push_back(functions[i] + " is left out: " + why);
            continue;
        }
        histogram.lost = traced.lost;
        histogram.labels["lost_is"] = "at_least";
        if (traced.is_cut)
            histogram.labels["cut"] = "bpftrace was stopped";
        traces.histograms.push_back(std::move(histogram));
    }
    return traces;
}

} // namespace latency
