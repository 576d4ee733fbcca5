// SPDX-License-Identifier: GPL-2.0
#include "storm.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include "format.hpp"

namespace report {

namespace {

constexpr const char* program = "move_storm";
constexpr std::string_view begin_of_case = "P1.storm[importer=";

/* The importer that skips the protocol on purpose: the storm must catch it. */
constexpr std::string_view control = "naive";

struct Audit {
    std::uint64_t audited = 0; /* installed entries that AUDIT looked at */
    std::uint64_t stale = 0;   /* entries whose PFN was no longer the buffer's */

    double share() const {
        return audited == 0 ? 0 : static_cast<double>(stale) / static_cast<double>(audited);
    }
};

/* N of "..., N @what, ...". */
std::optional<std::uint64_t> count_of(std::string_view note, std::string_view what) {
    const std::size_t end = note.find(what);

    if (end == std::string_view::npos)
        return std::nullopt;

    const std::string_view head = note.substr(0, end);
    const std::string_view digits = head.substr(head.find_last_not_of("0123456789") + 1);
    std::uint64_t count = 0;
    const auto [last, error] = std::from_chars(digits.begin(), digits.end(), count);

    return error == std::errc() ? std::optional(count) : std::nullopt;
}

std::optional<Audit> audit_of(const TestCase& test_case) {
    for (const std::string& note : test_case.notes) {
        const auto audited = count_of(note, " audited");
        const auto stale = count_of(note, " stale");

        if (audited && stale)
            return Audit{*audited, *stale};
    }
    return std::nullopt;
}

std::string show_count(std::uint64_t count) {
    return show_number(static_cast<double>(count));
}

Bar make_bar(std::string_view importer, Outcome outcome, const Audit& audit) {
    const bool is_control = importer == control;
    const bool as_expected =
        outcome == Outcome::pass && audit.audited > 0 && is_control == (audit.stale != 0);
    const Tone tone = !as_expected ? Tone::bad : is_control ? Tone::warning : Tone::good;

    return {std::string(importer) + (is_control ? " (control)" : ""), audit.share(),
            fmt::format("{} of {}{}", show_count(audit.stale), show_count(audit.audited),
                        outcome == Outcome::fail ? "; the case failed" : ""),
            tone};
}

} // namespace

std::optional<Bars> storm_bars(const SelfTests& tests) {
    const auto storm = std::ranges::find(tests.programs, program, &TestProgram::name);
    Bars bars{"Stale PFNs installed, of all entries that were audited while the buffer moved",
              "locked and seq_retry follow the protocol and must hold none. naive ignores "
              "move_notify: it shows that the audit finds stale PFNs.",
              {}};

    if (storm == tests.programs.end())
        return std::nullopt;
    for (const TestCase& row : storm->cases) {
        const std::string_view name = row.name;

        if (!name.starts_with(begin_of_case) || !name.ends_with(']'))
            continue;
        if (const auto audit = audit_of(row))
            bars.bars.push_back(
                make_bar(name.substr(begin_of_case.size(), name.size() - begin_of_case.size() - 1),
                         row.outcome, *audit));
    }
    return bars.bars.empty() ? std::nullopt : std::optional(bars);
}

} // namespace report
