// SPDX-License-Identifier: GPL-2.0
#include "sections.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "conditions.hpp"
#include "contention_section.hpp"
#include "cost_section.hpp"
#include "format.hpp"
#include "probe_cost_section.hpp"

namespace report {

namespace {

std::vector<const Bench*> benches(const RunDir& run) {
    std::vector<const Bench*> found;

    for (const auto* bench : {&run.icount, &run.bench, &run.contention, &run.probe_cost}) {
        if (*bench)
            found.push_back(&**bench);
    }
    return found;
}

long count_cases(const RunDir& run, auto&& predicate) {
    long count = 0;

    for (const Bench* bench : benches(run))
        count += std::ranges::count_if(bench->cases, predicate);
    return count;
}

std::string counted(std::size_t count, const std::string& what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string list_or_nothing(const std::vector<std::string>& words) {
    return words.empty() ? "nothing" : fmt::format("{}", fmt::join(words, ", "));
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

/* No part may be better than it is known to be: what is damaged or absent may have failed. */
bool has_failed(const RunDir& run, long broken) {
    return !run.tests || run.tests->has_failed() || !run.damaged.empty() || broken != 0 ||
           (run.kernel_log && !run.kernel_log->bugs.empty()) ||
           (run.regression && !run.regression->faults.empty());
}

Paragraph make_verdict(const RunDir& run) {
    const long measured = count_cases(run, [](const auto& row) { return row.is_measured(); });
    const long broken = count_cases(
        run, [](const auto& row) { return !row.is_measured() && !row.is_beyond_machine(); });
    const bool failed = has_failed(run, broken);
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

std::string fact(const RunDir& run, const std::string& name) {
    if (run.environment) {
        for (const auto& [key, value] : *run.environment) {
            if (key == name)
                return value;
        }
    }
    for (const Bench* bench : benches(run)) {
        if (bench->context.contains(name))
            return bench->context.at(name);
    }
    return "unknown";
}

/* The environment, with what only the benchmark itself knows. */
testexp::Facts facts_with_library(const RunDir& run) {
    testexp::Facts facts = *run.environment;
    std::string build = "unknown";

    for (const Bench* bench : benches(run)) {
        const std::string found = bench->context_or("library_build_type", "unknown");

        if (build != "debug" && found != "unknown")
            build = found;
    }
    facts.emplace_back("library_build_type", build);
    return facts;
}

/* First of all, since it says what the times below are worth. */
Section conditions_section(const RunDir& run) {
    Section section{"Conditions", {}};

    if (!run.environment) {
        section.blocks.emplace_back(Paragraph{"Not recorded.", Tone::warning});
        return section;
    }

    const Conditions found = judge_conditions(facts_with_library(run), run.environment_after);
    Table table{"What disturbs times here, and what would help",
                {{"condition", false}, {"found", false}, {"why", false}, {"fix", false}},
                {}};

    for (const Condition& condition : found.noisy)
        table.rows.push_back(
            {{condition.name, condition.found, condition.why, condition.fix}, Tone::warning});
    section.blocks.emplace_back(
        Paragraph{found.noisy.empty()
                      ? "Nothing that is known disturbed the times of this run."
                      : fmt::format("{} disturbed the times of this run; instruction counts do not "
                                    "depend on them. scripts/run --kernel running --tune changes "
                                    "governor, turbo, SMT and clocksource for the run.",
                                    counted(found.noisy.size(), "condition")),
                  found.noisy.empty() ? Tone::good : Tone::warning});
    if (!table.rows.empty())
        section.blocks.emplace_back(table);
    section.blocks.emplace_back(
        Paragraph{fmt::format("Quiet: {}. Not known: {}.", list_or_nothing(found.quiet),
                              list_or_nothing(found.unknown)),
                  Tone::plain});
    return section;
}

Section environment_section(const RunDir& run) {
    Section section{"Environment", {}};
    Table table;

    if (!run.environment) {
        section.blocks.emplace_back(Paragraph{"Not recorded.", Tone::warning});
        return section;
    }
    table.columns = {{"what", false}, {"value", false}};
    for (const auto& [name, value] : *run.environment)
        table.rows.push_back({{name, value}, Tone::plain});
    section.blocks.emplace_back(clock_statement(fact(run, "clock")));
    if (run.icount)
        section.blocks.emplace_back(Paragraph{
            "Instruction counts were taken in a second boot of the same kernel with another clock.",
            Tone::plain});
    section.blocks.emplace_back(table);
    return section;
}

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

    table.caption = "Programs";
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
    Table table{"Failures", {{"program", false}, {"test", false}, {"why", false}}, {}};
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

    table.caption = "All results";
    table.is_detail = true;
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

/* What a program skipped for the same reason is one line. */
Table skip_table(const SelfTests& tests) {
    Table table{"Skipped", {{"program", false}, {"test", false}, {"why", false}}, {}};

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

/* The bugs of a log, and what tests provoked in it. */
std::vector<Block> log_blocks(const LogVerdict& log) {
    std::vector<Block> blocks;

    if (!log.is_judged)
        blocks.emplace_back(Paragraph{"Not judged: " + log.why, Tone::warning});
    blocks.emplace_back(
        Paragraph{fmt::format("{} lines report a bug. {} reports were provoked by a test, which "
                              "announced them.",
                              log.bugs.size(), log.announced),
                  log.bugs.empty() ? Tone::plain : Tone::bad});
    if (!log.bugs.empty())
        blocks.emplace_back(Excerpt{log.bugs});
    return blocks;
}

Section test_section(const RunDir& run) {
    Section section{"Self-tests", {}};

    if (!run.tests) {
        section.blocks.emplace_back(Paragraph{
            "There is no result of the self-tests, which counts as a failure.", Tone::bad});
        return section;
    }

    const SelfTests& tests = *run.tests;

    if (!tests.is_complete)
        section.blocks.emplace_back(
            Paragraph{"The run was cut off, which counts as a failure.", Tone::bad});
    if (tests.tested_nothing())
        section.blocks.emplace_back(
            Paragraph{"Nothing was tested: every case was skipped.", Tone::warning});
    for (const Table& table :
         {program_table(tests), failure_table(tests), skip_table(tests), case_table(tests)}) {
        if (!table.rows.empty())
            section.blocks.emplace_back(table);
    }
    section.blocks.emplace_back(
        Paragraph{"The kernel's log meanwhile, as selftests/run judged it:", Tone::plain});
    std::ranges::move(log_blocks(tests.kernel_log), std::back_inserter(section.blocks));
    return section;
}

/* Suite by suite; and case by case, folded away but for what differs. */
Section regression_section(const Regression& regression) {
    Section section{"The kernel's own tests: " + regression.before + " against " + regression.after,
                    {}};
    Table suites{
        "Cases with the same result on both kernels, and others",
        {{"suite", false}, {"pass", true}, {"fail", true}, {"skip", true}, {"differ", true}},
        {}};
    Table cases{"All cases",
                {{"suite", false},
                 {"case", false},
                 {regression.before, false},
                 {regression.after, false},
                 {"what the test said", false}},
                {},
                true};
    std::map<std::string, std::map<std::string, int>> counts;

    for (const RegressionCase& row : regression.cases) {
        const bool same = row.before == row.after;

        counts[row.suite][same ? row.before : "differ"]++;
        cases.rows.push_back({{row.suite, row.name, row.before, row.after, row.reason},
                              same ? Tone::plain : Tone::bad});
    }
    for (auto& [suite, count] : counts) {
        const auto of = [&row = count](const char* what) { return std::to_string(row[what]); };

        suites.rows.push_back({{suite, of("pass"), of("fail"), of("skip"), of("differ")},
                               count["differ"] != 0 ? Tone::bad : Tone::plain});
    }
    section.blocks.emplace_back(
        Paragraph{regression.faults.empty() ? "The same on both." : "Not the same:",
                  regression.faults.empty() ? Tone::good : Tone::bad});
    if (!regression.faults.empty())
        section.blocks.emplace_back(Excerpt{regression.faults});
    section.blocks.emplace_back(suites);
    section.blocks.emplace_back(cases);
    return section;
}

Paragraph mutants_verdict(const Mutants& mutants) {
    std::size_t survived = 0;
    std::size_t errors = 0;

    for (const MutantKind& kind : mutants.kinds) {
        survived += kind.survived.size();
        errors += kind.errors.size();
    }
    if (!mutants.controls_passed)
        return {"The self-tests failed without a fault, so no verdict says anything.", Tone::bad};
    if (survived + errors != 0)
        return {fmt::format("The self-tests did not find {}; {} could not be tried.",
                            counted(survived, "fault"), errors),
                Tone::bad};
    return {"The self-tests found every fault that was tried.", Tone::good};
}

/* Kind by kind; and fault by fault, folded away but for the names that survived. */
Section mutants_section(const Mutants& mutants) {
    Section section{"Mutation score", {mutants_verdict(mutants)}};
    Table kinds{"Faults put in on purpose, one at a time",
                {{"where", false},
                 {"known", true},
                 {"tried", true},
                 {"found", true},
                 {"score", true},
                 {"not found", false},
                 {"no verdict", false}},
                {}};
    Table faults{"All faults that were tried",
                 {{"where", false},
                  {"fault", false},
                  {"what is wrong", false},
                  {"kernel", false},
                  {"verdict", false},
                  {"by", false},
                  {"case", false}},
                 {},
                 true};

    for (const MutantKind& kind : mutants.kinds)
        kinds.rows.push_back(
            {{kind.kind, std::to_string(kind.known), std::to_string(kind.tried),
              std::to_string(kind.killed),
              kind.tried == 0 ? "–" : fmt::format("{:.1f} %", 100.0 * kind.killed / kind.tried),
              fmt::format("{}", fmt::join(kind.survived, " ")),
              fmt::format("{}", fmt::join(kind.errors, " "))},
             kind.killed != kind.tried ? Tone::bad : Tone::plain});
    for (const Mutant& fault : mutants.faults)
        faults.rows.push_back({{fault.kind, fault.name, fault.text, fault.flavour, fault.verdict,
                                fault.killed_by, fault.found},
                               fault.verdict != "killed" ? Tone::bad : Tone::plain});
    if (mutants.seed)
        section.blocks.emplace_back(
            Paragraph{fmt::format("A sample, not all: scripts/mutants --seed {}.", *mutants.seed),
                      Tone::warning});
    section.blocks.emplace_back(kinds);
    section.blocks.emplace_back(faults);
    return section;
}

/* No part of a run, so not missed; but a reader of the report should know that there is one. */
Section no_mutants_section() {
    return {
        "Mutation score",
        {Paragraph{"Not taken: it is no part of a run. scripts/mutants --out with this directory "
                   "takes it and adds it to this report.",
                   Tone::plain}}};
}

/* Not missed either: it needs a package of its own and a run of its own. */
Section no_perf_section() {
    return {"perf", {Paragraph{"Not taken: scripts/run --perf takes it.", Tone::plain}}};
}

std::string show_labels(const testexp::NamedHistogram& histogram) {
    std::string text;

    for (const auto& [name, value] : histogram.labels)
        text.append(text.empty() ? "" : ", ").append(name).append(" ").append(value);
    return text;
}

Table latency_table(const std::vector<testexp::NamedHistogram>& latency, const std::string& clock) {
    Table table;

    table.caption =
        fmt::format("Latency of single calls (clock: {}). lost: could not be recorded; unmatched: "
                    "entries without return and returns without entry",
                    clock);
    table.columns = {{"function", false}, {"probe", false},    {"unit", false}, {"count", true},
                     {"lost", true},      {"unmatched", true}, {"min", true},   {"mean", true},
                     {"p50", true},       {"p90", true},       {"p99", true},   {"p99.9", true},
                     {"max", true}};
    for (const testexp::NamedHistogram& row : latency) {
        const auto at = [&row](double percent) {
            return show_number(static_cast<double>(testexp::percentile(row.hist, percent)));
        };
        const auto whole = [](std::uint64_t value) {
            return show_number(static_cast<double>(value));
        };

        table.rows.push_back(
            {{row.name, show_labels(row), row.unit, whole(row.hist.count), whole(row.lost),
              whole(row.unmatched), row.hist.count == 0 ? "–" : whole(row.hist.min),
              show_number(testexp::mean(row.hist)), at(50), at(90), at(99), at(99.9),
              whole(row.hist.max)},
             row.lost + row.unmatched != 0 ? Tone::warning : Tone::plain});
    }
    return table;
}

/*
 * A histogram as the outline of its bars, in percent of all values per octave:
 * buckets are not equally wide on a logarithmic axis, so their bare counts would
 * jump where the width does.
 */
Series outline(const testexp::NamedHistogram& from) {
    Series series{show_labels(from), {}};
    std::uint32_t open = TESTEXP_HIST_BUCKETS; /* the bucket whose right edge is not drawn yet */

    for (std::uint32_t index = 0; index < TESTEXP_HIST_BUCKETS; index++) {
        if (from.hist.buckets[index] == 0)
            continue;

        /* a logarithmic axis has no 0 */
        const double left = std::max(0.5, static_cast<double>(testexp_hist_lower(index)));
        const double right = static_cast<double>(testexp_hist_upper(index)) + 1;
        const double share = 100.0 * static_cast<double>(from.hist.buckets[index]) /
                             static_cast<double>(from.hist.count);
        const double density = share / std::log2(right / left);

        if (open != index) {
            if (!series.points.empty())
                series.points.emplace_back(series.points.back().first, 0);
            series.points.emplace_back(left, 0);
        }
        series.points.emplace_back(left, density);
        series.points.emplace_back(right, density);
        open = index + 1;
    }
    if (!series.points.empty())
        series.points.emplace_back(series.points.back().first, 0);
    return series;
}

/* One chart for each function, with all that probed it. */
void add_latency_charts(const std::vector<testexp::NamedHistogram>& latency,
                        const std::string& clock, Section& section) {
    std::vector<Chart> charts;

    for (const testexp::NamedHistogram& row : latency) {
        const std::string title = row.name + " (clock: " + clock + ")";
        auto chart = std::ranges::find(charts, title, &Chart::title);

        if (row.hist.count == 0)
            continue;
        if (chart == charts.end()) {
            charts.push_back({title,
                              {"latency in " + row.unit, 10},
                              {"% of calls per octave", 0, 0},
                              false,
                              {}});
            chart = charts.end() - 1;
        }
        chart->series.push_back(outline(row));
    }
    section.blocks.insert(section.blocks.end(), charts.begin(), charts.end());
}

/* Those of single calls, or those of locks. */
std::vector<testexp::NamedHistogram> select(const RunDir& run, bool about_locks) {
    std::vector<testexp::NamedHistogram> selected;

    if (run.latency)
        std::ranges::copy_if(*run.latency, std::back_inserter(selected),
                             [=](const auto& row) { return is_about_locks(row) == about_locks; });
    return selected;
}

Section latency_section(const RunDir& run) {
    const std::string clock = fact(run, "clock");
    const auto calls = select(run, false);
    Section section{"Latency of single calls", {}};

    if (calls.empty()) {
        section.blocks.emplace_back(Paragraph{"No probe ran.", Tone::warning});
        return section;
    }
    section.blocks.emplace_back(clock_statement(clock));
    section.blocks.emplace_back(latency_table(calls, clock));
    add_latency_charts(calls, clock, section);
    return section;
}

/* The label "during" says which program it was that waited and held. */
Section locks_section(const RunDir& run) {
    const std::string clock = fact(run, "clock");
    auto locks = select(run, true);
    Section section{"Reservation locks: wait and hold", {}};

    if (locks.empty()) {
        section.blocks.emplace_back(Paragraph{"Not traced.", Tone::warning});
        return section;
    }
    section.blocks.emplace_back(clock_statement(clock));
    section.blocks.emplace_back(latency_table(locks, clock));
    /* Drawn are the sums, not each buffer, process or stack. */
    std::erase_if(locks, [](const auto& row) {
        return row.labels.contains("buffer") || row.labels.contains("process") ||
               row.labels.contains("stack");
    });
    add_latency_charts(locks, clock, section);
    return section;
}

Section missing_section(const RunDir& run) {
    Section section{"What could not be measured", {}};
    Excerpt lines{run.missing};

    for (const Bench* bench : benches(run))
        std::ranges::copy(unmeasured(*bench), std::back_inserter(lines.lines));
    if (run.perf)
        std::ranges::copy(unmeasured(*run.perf), std::back_inserter(lines.lines));
    if (lines.lines.empty())
        section.blocks.emplace_back(Paragraph{"Nothing: all parts are here.", Tone::good});
    else
        section.blocks.emplace_back(lines);
    return section;
}

Section log_section(const RunDir& run) {
    Section section{"Kernel log", {}};

    if (!run.kernel_log) {
        section.blocks.emplace_back(Paragraph{"Not recorded.", Tone::warning});
        return section;
    }

    std::ranges::move(log_blocks(*run.kernel_log), std::back_inserter(section.blocks));
    return section;
}

} // namespace

Document make_document(const RunDir& run) {
    Document document;

    document.title = fmt::format("dma-buf get_pfn on {} ({}, {})", fact(run, "kernel"),
                                 fact(run, "flavour"), fact(run, "api"));
    document.verdict = make_verdict(run);
    document.sections = {conditions_section(run), environment_section(run), test_section(run)};
    if (run.regression)
        document.sections.push_back(regression_section(*run.regression));
    document.sections.push_back(run.mutants ? mutants_section(*run.mutants) : no_mutants_section());
    if (run.icount)
        document.sections.push_back(cost_section("Cost in instructions", *run.icount, true));
    if (run.bench) {
        const bool worth_drawing = !run.icount || run.bench->context_or("clock", "") == "tsc";

        document.sections.push_back(cost_section("Cost in time", *run.bench, worth_drawing));
    }
    if (run.probe_cost)
        document.sections.push_back(probe_cost_section(*run.probe_cost));
    if (run.contention)
        document.sections.push_back(contention_section(*run.contention));
    document.sections.push_back(latency_section(run));
    document.sections.push_back(locks_section(run));
    document.sections.push_back(run.perf ? perf_section(*run.perf) : no_perf_section());
    document.sections.push_back(missing_section(run));
    document.sections.push_back(log_section(run));
    return document;
}

} // namespace report
