// SPDX-License-Identifier: GPL-2.0
#include "clock_statement.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace report {

Paragraph clock_statement(const std::string& clock) {
    if (clock == "icount")
        return {"Clock icount: instructions were counted, not time. With the same compiler and "
                "configuration, every machine counts the same. The counts may be quoted.",
                Tone::good};
    if (clock == "tsc")
        return {"Clock tsc: real hardware, or a working KVM. Times may be quoted together with the "
                "machine.",
                Tone::good};
    return {"Clock invalid: the machine was emulated, or its TSC cannot be trusted. The times mean "
            "nothing and must not be quoted.",
            Tone::warning};
}

std::string unit_and_clock(const Bench& bench) {
    const std::string unit = bench.context_or("unit", "ticks");
    const std::string clock = bench.context_or("clock", "invalid");
    const char* debug = bench.context_or("forced_debug", "0") == "1" ? ", debug kernel" : "";

    return fmt::format("{} (clock: {}{})", unit, clock, debug);
}

namespace {

/* Whether both cases are of the same buffer of an exporter. */
bool have_same_buffer(const BenchCase& one, const BenchCase& other) {
    return one.is_foreign() && other.is_foreign() &&
           one.axis("exporter") == other.axis("exporter") && one.size_bytes == other.size_bytes;
}

/* Whether the section of exporters says why: the machine has the buffer, but not this path. */
bool is_explained(const Bench& bench, const BenchCase& row) {
    return std::ranges::any_of(bench.cases, [&row](const BenchCase& other) {
        return other.is_measured() && have_same_buffer(row, other);
    });
}

/* Cases of an exporter that lack the same: one line for all of them. */
struct Unmeasured {
    const BenchCase* first;
    int count;

    /* Each size of another exporter has its own line, because each buffer is made by itself. */
    bool takes(const BenchCase& row) const {
        const bool have_own_exporter = !row.is_foreign() && !row.axis("exporter").empty() &&
                                       row.axis("exporter") == first->axis("exporter");

        return row.error == first->error && (have_own_exporter || have_same_buffer(row, *first));
    }
};

std::string clock_words(const Bench& bench) {
    return fmt::format(" (clock: {})", bench.context_or("clock", "invalid"));
}

} // namespace

std::vector<std::string> unmeasured(const Bench& bench) {
    std::vector<Unmeasured> found;
    std::vector<std::string> lines;

    for (const BenchCase& row : bench.cases) {
        if (row.is_measured() || (row.is_beyond_machine() && is_explained(bench, row)))
            continue;

        const auto same =
            std::ranges::find_if(found, [&row](const Unmeasured& one) { return one.takes(row); });

        if (same == found.end())
            found.push_back({&row, 1});
        else
            same->count++;
    }
    for (const auto& [row, count] : found)
        lines.push_back(fmt::format(
            "{}{}: {}",
            count == 1 ? row->name
                       : fmt::format("exporter {}, {} cases", row->axis("exporter"), count),
            clock_words(bench), row->error));
    return lines;
}

std::vector<std::string> merge_clocks(const std::vector<std::string>& lines,
                                      const std::vector<const Bench*>& benches) {
    struct Line {
        std::string text;
        std::string without_clock;
    };
    std::vector<Line> merged;
    std::vector<std::string> texts;

    for (const std::string& line : lines) {
        Line next{line, line};

        for (const Bench* bench : benches) {
            const std::string words = clock_words(*bench) + ": ";

            if (const auto at = line.find(words); at != std::string::npos)
                next.without_clock = line.substr(0, at) + line.substr(at + words.size() - 2);
        }

        const auto same = std::ranges::find(merged, next.without_clock, &Line::without_clock);

        if (same == merged.end())
            merged.push_back(next);
        else
            same->text = same->without_clock;
    }
    std::ranges::transform(merged, std::back_inserter(texts), &Line::text);
    return texts;
}

} // namespace report
