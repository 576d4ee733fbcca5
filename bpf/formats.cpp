// SPDX-License-Identifier: GPL-2.0
#include "formats.hpp"

#include <fmt/format.h>

#include <cctype>
#include <map>
#include <set>
#include <vector>

namespace latency {
namespace {

using testexp::NamedHistogram;
using testexp::percentile;

std::string quoted_csv(const std::string& text) {
    std::string quoted;

    if (text.find_first_of(",\"\n\r") == std::string::npos)
        return text;
    for (const char c : text)
        quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return '"' + quoted + '"';
}

std::string labels_as_field(const NamedHistogram& histogram) {
    std::string text;

    for (const auto& [key, value] : histogram.labels)
        text += fmt::format("{}{}={}", text.empty() ? "" : ";", key, value);
    return text;
}

std::string escaped(const std::string& value) {
    std::string text;

    for (const char c : value) {
        if (c == '\n')
            text += "\\n";
        else if (c == '\\' || c == '"')
            text += std::string("\\") + c;
        else
            text += c;
    }
    return text;
}

/* Of a label or a metric: letters, digits and underscores, no digit first. */
std::string as_name(const std::string& text) {
    std::string name;

    for (const char c : text)
        name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
    return name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) ? "_" + name : name;
}

/* All labels of @histogram but "le": key="value",... */
std::string label_set(const NamedHistogram& histogram) {
    std::string text = fmt::format("name=\"{}\"", escaped(histogram.name));

    for (const auto& [key, value] : histogram.labels)
        text += fmt::format(",{}=\"{}\"", as_name(key), escaped(value));
    return text;
}

struct Series {
    const NamedHistogram* histogram;
    std::string labels;
};

/* By unit, as a family has one; each with labels that no other has. */
std::map<std::string, std::vector<Series>> by_unit(std::span<const NamedHistogram> histograms) {
    std::map<std::string, std::vector<Series>> families;
    std::map<std::string, int> seen;

    for (const NamedHistogram& histogram : histograms) {
        std::string labels = label_set(histogram);
        if (const int nr = seen[histogram.unit + labels]++; nr > 0)
            labels += fmt::format(",nr=\"{}\"", nr + 1);
        families[histogram.unit].push_back({&histogram, labels});
    }
    return families;
}

std::string buckets(const std::string& family, const Series& series) {
    const testexp_hist& hist = series.histogram->hist;
    std::uint64_t below = 0;
    std::string text;

    for (std::uint32_t index = 0; index + 1 < TESTEXP_HIST_BUCKETS; index++) {
        if (hist.buckets[index] == 0)
            continue;
        below += hist.buckets[index];
        text += fmt::format("{}_bucket{{{},le=\"{}.0\"}} {}\n", family, series.labels,
                            testexp_hist_upper(index), below);
    }
    text += fmt::format("{}_bucket{{{},le=\"+Inf\"}} {}\n", family, series.labels, hist.count);
    text += fmt::format("{}_count{{{}}} {}\n", family, series.labels, hist.count);
    text += fmt::format("{}_sum{{{}}} {}\n", family, series.labels, hist.sum);
    return text;
}

} // namespace

std::string csv_text(std::span<const NamedHistogram> histograms) {
    std::string text = "name,unit,count,sum,min,p50,p90,p99,p99.9,max,lost,unmatched,labels\n";

    for (const NamedHistogram& h : histograms)
        text += fmt::format(
            "{},{},{},{},{},{},{},{},{},{},{},{},{}\n", quoted_csv(h.name), quoted_csv(h.unit),
            h.hist.count, h.hist.sum, h.hist.count == 0 ? 0 : h.hist.min, percentile(h.hist, 50),
            percentile(h.hist, 90), percentile(h.hist, 99), percentile(h.hist, 99.9), h.hist.max,
            h.lost, h.unmatched, quoted_csv(labels_as_field(h)));
    return text;
}

std::string openmetrics_text(std::span<const NamedHistogram> histograms) {
    std::string text;

    for (const auto& [unit, family] : by_unit(histograms)) {
        const std::string base = "dmabuf_latency";
        const std::string name = base + "_" + as_name(unit);
        text += fmt::format("# TYPE {0} histogram\n# UNIT {0} {1}\n# HELP {0} What was measured, "
                            "by name.\n",
                            name, as_name(unit));
        for (const Series& series : family)
            text += buckets(name, series);

        const std::string lost = fmt::format("{}_lost_{}", base, as_name(unit));
        const std::string unmatched = fmt::format("{}_unmatched_{}", base, as_name(unit));
        text += fmt::format("# TYPE {0} counter\n# HELP {0} Values that could not be recorded.\n",
                            lost);
        for (const Series& series : family)
            text += fmt::format("{}_total{{{}}} {}\n", lost, series.labels, series.histogram->lost);
        text += fmt::format("# TYPE {0} counter\n# HELP {0} Beginnings without end and ends "
                            "without beginning.\n",
                            unmatched);
        for (const Series& series : family)
            text += fmt::format("{}_total{{{}}} {}\n", unmatched, series.labels,
                                series.histogram->unmatched);
    }
    return text + "# EOF\n";
}

} // namespace latency
