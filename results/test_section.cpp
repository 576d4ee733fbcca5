// SPDX-License-Identifier: GPL-2.0
/* The results of the self-tests: failures first. */
#include <algorithm>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "log_blocks.hpp"
#include "sections.hpp"

namespace report {

namespace {

Tone tone_of(Outcome outcome) {
    switch (outcome) {
    case Outcome::fail:
        return Tone::bad;
    case Outcome::skip:
        return Tone::warning;
    default:
        return Tone::plain;
    }
}

Table program_table(const SelfTests& tests) {
    Table table;

    table.caption = "Test programs";
    table.placement = Placement::folded;
    table.columns = {{"program", false}, {"passed", true}, {"failed", true},
                     {"skipped", true},  {"faults", true}, {"seconds", true}};
    for (const TestProgram& program : tests.programs) {
        const int failed = program.count(Outcome::fail);

        table.rows.push_back(
            {{program.name, std::to_string(program.count(Outcome::pass)), std::to_string(failed),
              std::to_string(program.count(Outcome::skip)), std::to_string(program.faults.size()),
              fmt::format("{:.1f}", program.seconds)},
             failed != 0 || !program.faults.empty() ? Tone::bad : Tone::plain});
    }
    return table;
}

/* Failed cases, faults of programs and of the run, and what did not run. */
Table failure_table(const SelfTests& tests) {
    Table table{"Failures", "", {{"program", false}, {"test", false}, {"why", false}}, {}};
    const auto add = [&table](const std::string& program, const std::string& test,
                              const std::string& why) {
        table.rows.push_back({{program, test, why}, Tone::bad});
    };

    for (const TestProgram& program : tests.programs) {
        for (const TestCase& row : program.cases) {
            if (row.outcome == Outcome::fail)
                add(program.name, row.name, row.reason);
        }
        for (const std::string& fault : program.faults)
            add(program.name, "(program)", fault);
    }
    for (const std::string& fault : tests.faults)
        add("(run)", "", fault);
    for (const std::string& name : tests.not_run)
        add(name, "(program)", "did not run");
    return table;
}

Table case_table(const SelfTests& tests) {
    Table table;

    table.caption = "All test cases";
    table.placement = Placement::page_only;
    table.columns = {{"program", false}, {"test", false}, {"result", false}, {"why", false}};
    for (const TestProgram& program : tests.programs) {
        for (const TestCase& row : program.cases) {
            const char* word = row.outcome == Outcome::pass   ? "pass"
                               : row.outcome == Outcome::fail ? "FAIL"
                                                              : "skip";

            table.rows.push_back(
                {{program.name, row.name, word, row.reason}, tone_of(row.outcome)});
        }
    }
    return table;
}

/* Cases of a program that were skipped for the same reason share a line. */
Table skip_table(const SelfTests& tests) {
    Table table{"Skipped cases",
                "",
                {{"program", false}, {"test", false}, {"why", false}},
                {},
                Placement::folded};

    for (const TestProgram& program : tests.programs) {
        std::map<std::string, std::vector<std::string>> names_of;

        for (const TestCase& row : program.cases) {
            if (row.outcome == Outcome::skip)
                names_of[row.reason].push_back(row.name);
        }
        for (const auto& [reason, names] : names_of)
            table.rows.push_back(
                {{program.name,
                  names.size() == 1 ? names.front() : fmt::format("{} cases", names.size()),
                  reason},
                 tone_of(Outcome::skip)});
    }
    return table;
}

} // namespace

std::optional<Section> test_section(RunDir& run) {
    Section section{"Self-tests", {}};

    section.has_failed = !run.tests || run.tests->has_failed();
    if (!run.tests) {
        section.blocks.emplace_back(Paragraph{
            "There is no result of the self-tests, which counts as a failure.", Tone::bad});
        return section;
    }

    const SelfTests& tests = *run.tests;

    if (!tests.is_complete)
        section.blocks.emplace_back(
            Paragraph{"The run was cut off, which counts as a failure.", Tone::bad});
    section.blocks.emplace_back(
        Paragraph{tests.is_quick ? "The bounds were short (--quick)." : "The bounds were full.",
                  Tone::plain});
    if (tests.tested_nothing())
        section.blocks.emplace_back(
            Paragraph{"Nothing was tested: every case was skipped.", Tone::warning});
    for (const Table& table :
         {failure_table(tests), program_table(tests), skip_table(tests), case_table(tests)}) {
        if (!table.rows.empty())
            section.blocks.emplace_back(table);
    }
    section.blocks.emplace_back(
        Paragraph{"The kernel log of the self-tests, as selftests/run judged it:", Tone::plain});
    std::ranges::move(log_blocks(tests.kernel_log), std::back_inserter(section.blocks));
    return section;
}

} // namespace report
