// SPDX-License-Identifier: GPL-2.0
#include "storm.hpp"

#include <algorithm>
#include <regex>

#include <fmt/format.h>

#include "format.hpp"

namespace report {

namespace {

/* The importer that skips the protocol on purpose: the storm must catch it. */
constexpr const char* control = "naive";

double share(const StormResult& result) {
    return result.audited == 0
               ? 0
               : static_cast<double>(result.stale) / static_cast<double>(result.audited);
}

std::string show_count(std::uint64_t count) {
    return show_number(static_cast<double>(count));
}

Bar make_bar(const StormResult& result) {
    const bool is_control = result.importer == control;
    const bool as_expected = is_control == (result.stale != 0);
    const Tone tone = !as_expected ? Tone::bad : is_control ? Tone::warning : Tone::good;

    return {result.importer + (is_control ? " (control)" : ""), share(result),
            fmt::format("{} of {}", show_count(result.stale), show_count(result.audited)), tone};
}

} // namespace

std::vector<StormResult> parse_storm(std::istream& ktap) {
    static const std::regex note(R"(^# .*\b(\d+) audited, (\d+) stale\b.*)");
    static const std::regex verdict(R"(^(?:not )?ok \d+ (?:- )?P1\.storm\[importer=(\w+)\].*)");
    std::vector<StormResult> results;
    std::optional<StormResult> noted;

    for (std::string line; std::getline(ktap, line);) {
        std::smatch match;

        if (std::regex_match(line, match, note))
            noted = {"", std::stoull(match[1]), std::stoull(match[2])};
        else if (std::regex_match(line, match, verdict) && noted)
            results.push_back({match[1], noted->audited, noted->stale});
        if (!line.starts_with("#"))
            noted.reset();
    }
    return results;
}

std::optional<Bars> storm_bars(const std::vector<StormResult>& results) {
    if (results.empty())
        return std::nullopt;

    Bars bars{"Stale PFNs installed, of all entries that were audited while the buffer moved",
              "locked and seq_retry follow the protocol and must hold none. naive ignores "
              "move_notify: it shows that the audit finds stale PFNs.",
              {}};

    std::ranges::transform(results, std::back_inserter(bars.bars), make_bar);
    return bars;
}

} // namespace report
