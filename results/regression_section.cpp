// SPDX-License-Identifier: GPL-2.0
/* The kernel's own tests on two kernels, as scripts/regression compared them. */
#include <algorithm>
#include <map>
#include <stdexcept>

#include "sections.hpp"

namespace report {

namespace {

struct RegressionCase {
    std::string suite;
    std::string name;
    std::string before; /* pass, fail, skip or absent */
    std::string after;
    std::string reason; /* what the tests said */
};

struct Regression {
    std::string before; /* the kernels */
    std::string after;
    std::vector<RegressionCase> cases;
    std::vector<std::string> faults; /* why they are not the same */
};

bool is_same(const RegressionCase& row) {
    return row.before == row.after;
}

/* A failure without the series that is none with the series. */
bool is_mended(const RegressionCase& row) {
    return row.before == "fail" && row.after == "pass";
}

bool is_right(const RegressionCase& row) {
    return is_same(row) || is_mended(row);
}

/* The column of the table of suites that counts this case. */
std::string column_of(const RegressionCase& row) {
    if (is_same(row))
        return row.before;
    return is_mended(row) ? "mended" : "differ";
}

/* Throws when @object calls kernels equal on which a case differs: such a file is damaged. */
Regression parse_regression(const nlohmann::json& object) {
    Regression regression{object.at("before"), object.at("after"), {}, object.at("faults")};

    for (const auto& row : object.at("cases"))
        regression.cases.push_back(
            {row.at("suite"), row.at("case"), row.at("before"), row.at("after"), row.at("reason")});
    if (regression.faults.empty() && !std::ranges::all_of(regression.cases, is_right))
        throw std::invalid_argument("a case differs, but there is no fault");
    return regression;
}

std::string verdict_text(const Regression& regression) {
    if (!regression.faults.empty())
        return "The kernels differ:";
    if (std::ranges::all_of(regression.cases, is_same))
        return "The same on both.";
    return "The same on both, except for what the series mends.";
}

Section show(const Regression& regression) {
    Section section{"The kernel's own tests: " + regression.before + " against " + regression.after,
                    {}};
    Table suites{
        "Cases by suite",
        "pass, fail and skip count the cases with the same result on both kernels; mended counts "
        "the failures that the series mends",
        {{"suite", false},
         {"pass", true},
         {"fail", true},
         {"skip", true},
         {"mended", true},
         {"differ", true}},
        {}};
    Table cases{"All cases",
                "",
                {{"suite", false},
                 {"case", false},
                 {regression.before, false},
                 {regression.after, false},
                 {"what the test said", false}},
                {},
                Placement::page_only};
    std::map<std::string, std::map<std::string, int>> counts;

    for (const RegressionCase& row : regression.cases) {
        counts[row.suite][column_of(row)]++;
        cases.rows.push_back({{row.suite, row.name, row.before, row.after, row.reason},
                              is_right(row) ? Tone::plain : Tone::bad});
    }
    for (auto& [suite, count] : counts) {
        const auto of = [&row = count](const char* what) { return std::to_string(row[what]); };

        suites.rows.push_back(
            {{suite, of("pass"), of("fail"), of("skip"), of("mended"), of("differ")},
             count["differ"] != 0 ? Tone::bad : Tone::plain});
    }
    section.has_failed = !regression.faults.empty();
    section.blocks.emplace_back(
        Paragraph{verdict_text(regression), regression.faults.empty() ? Tone::good : Tone::bad});
    if (!regression.faults.empty())
        section.blocks.emplace_back(Excerpt{regression.faults});
    section.blocks.emplace_back(suites);
    section.blocks.emplace_back(cases);
    return section;
}

} // namespace

std::optional<Section> regression_section(RunDir& run) {
    const auto regression =
        read_part<Regression>(run, "regression.json", Absence::is_usual, parse_regression);

    return regression ? std::optional(show(*regression)) : std::nullopt;
}

} // namespace report
