// SPDX-License-Identifier: GPL-2.0
#include "sections.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "overview.hpp"

namespace report {

namespace {

long count_cases(const RunDir& run, auto&& predicate) {
    long count = 0;

    for (const Bench* bench : benches(run))
        count += std::ranges::count_if(bench->cases, predicate);
    return count;
}

std::string counted(std::size_t count, const std::string& what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string tests_statement(const std::optional<SelfTests>& tests) {
    if (!tests)
        return "self-tests without a result";
    return fmt::format("self-tests {} passed, {} failed, {} skipped{}", tests->passed,
                       tests->failed, tests->skipped, tests->is_complete ? "" : ", then cut off");
}

std::string log_statement(const std::optional<LogVerdict>& log) {
    if (!log)
        return "not seen";
    return log->is_judged || !log->bugs.empty() ? counted(log->bugs.size(), "bug") : "not judged";
}

/* "; damaged: bench.json, latency.json", or "" */
std::string damage_statement(const RunDir& run) {
    std::vector<std::string> names;

    for (const std::string& line : run.damaged)
        names.push_back(line.substr(0, line.find(':')));
    return names.empty() ? "" : fmt::format("; damaged: {}", fmt::join(names, ", "));
}

/* Once all sections are made, @run knows what is missing and what is damaged. */
Paragraph make_verdict(const RunDir& run, const std::vector<Section>& made) {
    const long measured = count_cases(run, [](const auto& row) { return row.is_measured(); });
    const long broken = count_cases(
        run, [](const auto& row) { return !row.is_measured() && !row.is_beyond_machine(); });
    const bool failed = !run.tests || broken != 0 || !run.damaged.empty() ||
                        std::ranges::any_of(made, &Section::has_failed);
    const bool untested = !failed && run.tests->tested_nothing();
    const bool incomplete = !run.missing.empty();

    return {
        fmt::format("{}: {}; benchmark {} cases measured, {} failed; kernel log {}; {} missing{}",
                    failed       ? "FAILED"
                    : untested   ? "NOTHING TESTED"
                    : incomplete ? "INCOMPLETE"
                                 : "PASSED",
                    tests_statement(run.tests), measured, broken, log_statement(run.kernel_log),
                    counted(run.missing.size(), "part"), damage_statement(run)),
        failed                   ? Tone::bad
        : untested || incomplete ? Tone::warning
                                 : Tone::good};
}

/* The parts of the run that are missing, then what each section could not measure. */
std::vector<std::string> list_unmeasured(const RunDir& run, const std::vector<Section>& made) {
    std::vector<std::string> lines = run.missing;

    for (const Section& section : made)
        std::ranges::copy(section.unmeasured, std::back_inserter(lines));
    return lines;
}

Section unmeasured_section(const std::vector<std::string>& lines) {
    if (lines.empty())
        return {"What could not be measured",
                {Paragraph{"Nothing: all parts are here.", Tone::good}}};
    return {"What could not be measured", {Excerpt{lines}}};
}

} // namespace

Document make_document(RunDir& run) {
    std::vector<Section> made;

    for (MakeSection* make : sections) {
        if (std::optional<Section> section = make(run))
            made.push_back(std::move(*section));
    }

    const std::vector<std::string> unmeasured = list_unmeasured(run, made);
    Document document{
        make_title(run), describe_subject(run), make_verdict(run, made), {}, std::move(made)};

    document.overview = make_overview(run, unmeasured);
    document.sections.push_back(unmeasured_section(unmeasured));
    return document;
}

} // namespace report
