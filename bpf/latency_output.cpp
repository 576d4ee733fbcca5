// SPDX-License-Identifier: GPL-2.0
#include "latency_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <optional>
#include <set>

namespace latency {
namespace fs = std::filesystem;

using testexp::Error;
using testexp::NamedHistogram;
using testexp::percentile;
using testexp::Result;

namespace {

std::string worth_of(const std::string& clock) {
    if (clock == "icount")
        return "icount: 1 ns is one guest instruction";
    if (clock == "invalid")
        return "invalid: the times mean nothing";
    return clock;
}

std::string label(const NamedHistogram& histogram, const std::string& key) {
    const auto found = histogram.labels.find(key);
    return found == histogram.labels.end() ? "" : found->second;
}

std::string clock_of(const NamedHistogram& histogram) {
    const std::string clock = label(histogram, "clock");

    return clock.empty() ? "unknown" : clock;
}

/* The name of a row: the function, and its buffer, process, stack, or role as a callback. */
std::string title(const NamedHistogram& histogram) {
    const std::string op = label(histogram, "op");
    const std::string exporter = label(histogram, "exporter");

    if (const std::string value = label(histogram, "value"); !value.empty())
        return fmt::format("{}: {}, {}", histogram.name, value, histogram.unit);
    if (!op.empty())
        return fmt::format("{} ({}{})", histogram.name, op,
                           exporter.empty() ? "" : " of " + exporter);
    for (const char* key : {"buffer", "process", "stack"})
        if (const std::string who = label(histogram, key); !who.empty())
            return histogram.name + ": " + who;
    return histogram.name;
}

} // namespace

NamedHistogram named(const std::string& function, const std::string& tool, const std::string& mode,
                     const testexp::Environment& environment) {
    NamedHistogram histogram;
    histogram.name = function;
    histogram.unit = "ns";
    histogram.labels = {{"tool", tool},
                        {"mode", mode},
                        {"clock", environment.clock},
                        {"kernel", environment.kernel},
                        {"flavour", environment.flavour},
                        {"api", environment.api}};
    return histogram;
}

std::string table(std::span<const NamedHistogram> histograms) {
    std::size_t width = std::string_view("function").size();
    std::size_t mode_width = std::string_view("fentry").size();
    std::set<std::string> clocks;
    std::string text;

    for (const NamedHistogram& histogram : histograms) {
        width = std::max(width, title(histogram).size());
        mode_width = std::max(mode_width, label(histogram, "mode").size());
        clocks.insert(clock_of(histogram));
    }
    for (const std::string& clock : clocks)
        text += fmt::format("values in ns unless a row names another unit; clock {}\n",
                            worth_of(clock));

    const auto add = [&](const std::string& name, const std::string& mode, const std::string& clock,
                         const auto&... cells) {
        text += fmt::format("{:<{}}  {:<{}} ", name, width, mode, mode_width);
        if (clocks.size() > 1)
            text += fmt::format("{:<7} ", clock);
        text += fmt::format("{:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>11} {:>8} {:>9}\n", cells...);
    };
    add("function", "mode", "clock", "count", "min", "p50", "p90", "p99", "p99.9", "max", "lost",
        "unmatched");
    for (const NamedHistogram& h : histograms) {
        const std::string at_least = label(h, "lost_is") == "at_least" ? ">=" : "";
        add(title(h), label(h, "mode"), clock_of(h), h.hist.count,
            h.hist.count == 0 ? 0 : h.hist.min, percentile(h.hist, 50), percentile(h.hist, 90),
            percentile(h.hist, 99), percentile(h.hist, 99.9), h.hist.max,
            at_least + std::to_string(h.lost), h.unmatched);
    }
    return text;
}

Result<Histograms> parse_histograms(std::istream& text, const std::string& name) {
    try {
        return nlohmann::json::parse(text).get<Histograms>();
    } catch (const std::exception& problem) {
        return Error{EINVAL, name + " is no latency.json: " + problem.what()};
    }
}

Result<Histograms> read_histograms(const fs::path& path) {
    std::error_code none;
    if (!fs::is_regular_file(path, none) && !fs::is_other(path, none))
        return Histograms{};

    std::ifstream file(path);
    if (!file)
        return testexp::errno_error("cannot read " + path.string());
    return parse_histograms(file, path.string());
}

std::string json_text(std::span<const NamedHistogram> histograms) {
    std::string text;
    for (const NamedHistogram& histogram : histograms)
        text += (text.empty() ? "[\n" : ",\n") + nlohmann::json(histogram).dump();
    return text.empty() ? "[]\n" : text + "\n]\n";
}

testexp::Environment current_environment() {
    const auto device = testexp::Device::open();
    return testexp::read_environment(device ? std::optional(device.value().info()) : std::nullopt);
}

} // namespace latency
