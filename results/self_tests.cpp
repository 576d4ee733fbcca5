// SPDX-License-Identifier: GPL-2.0
#include "self_tests.hpp"

#include <algorithm>
#include <stdexcept>
#include <tuple>

namespace report {

namespace {

using nlohmann::json;

constexpr int version = 1;

Outcome parse_outcome(const std::string& verdict) {
    if (verdict == "passed")
        return Outcome::pass;
    if (verdict == "failed")
        return Outcome::fail;
    if (verdict == "skipped")
        return Outcome::skip;
    throw std::invalid_argument("no verdict: " + verdict);
}

TestProgram parse_program(const json& object) {
    TestProgram program;

    program.name = object.at("name").get<std::string>();
    if (object.at("seconds").is_number())
        program.seconds = object.at("seconds").get<double>();
    program.faults = object.at("faults").get<std::vector<std::string>>();
    for (const json& row : object.at("cases"))
        program.cases.push_back(
            {row.at("name").get<std::string>(), parse_outcome(row.at("verdict").get<std::string>()),
             row.at("reason").get<std::string>(), row.value("notes", std::vector<std::string>{})});
    return program;
}

/* In the order in which they were planned. */
std::vector<std::string> programs_without_result(const json& planned,
                                                 const std::vector<TestProgram>& programs) {
    std::vector<std::string> names;

    for (const json& name : planned) {
        if (std::ranges::find(programs, name.get<std::string>(), &TestProgram::name) ==
            programs.end())
            names.push_back(name.get<std::string>());
    }
    return names;
}

/* Throws unless the totals of @tests are those of its programs and faults. */
void check_totals(const SelfTests& tests) {
    int passed = 0;
    int skipped = 0;
    auto failed = static_cast<int>(tests.faults.size());

    for (const TestProgram& program : tests.programs) {
        passed += program.count(Outcome::pass);
        skipped += program.count(Outcome::skip);
        failed += program.count(Outcome::fail) + (program.faults.empty() ? 0 : 1);
    }
    for (const auto& [name, total, found] :
         {std::tuple("passed", tests.passed, passed), std::tuple("failed", tests.failed, failed),
          std::tuple("skipped", tests.skipped, skipped)}) {
        if (total != found)
            throw std::invalid_argument("its total of " + std::string(name) + " is " +
                                        std::to_string(total) + ", but its programs have " +
                                        std::to_string(found));
    }
}

} // namespace

int TestProgram::count(Outcome outcome) const {
    return static_cast<int>(std::ranges::count(cases, outcome, &TestCase::outcome));
}

bool SelfTests::has_failed() const {
    return failed != 0 || !is_complete || !not_run.empty() || !kernel_log.bugs.empty();
}

SelfTests parse_self_tests(const json& object) {
    SelfTests tests;

    if (object.at("version").get<int>() != version)
        throw std::invalid_argument("version " + object.at("version").dump() +
                                    ": this report knows version " + std::to_string(version));
    tests.is_complete = object.at("complete").get<bool>();
    tests.is_quick = object.at("quick").get<bool>();
    tests.passed = object.at("passed").get<int>();
    tests.failed = object.at("failed").get<int>();
    tests.skipped = object.at("skipped").get<int>();
    tests.faults = object.at("faults").get<std::vector<std::string>>();
    tests.kernel_log = parse_log_verdict(object.at("kernel_log"));
    if (object.contains("leaks")) {
        const json& leaks = object.at("leaks");
        if (leaks.value("switched_off", false))
            tests.why_no_leaks = "kmemleak is switched off";
        else if (!leaks.value("wanted", true))
            tests.why_no_leaks = "--no-leaks was given";
    }
    for (const json& program : object.at("programs"))
        tests.programs.push_back(parse_program(program));
    tests.not_run = programs_without_result(object.at("planned"), tests.programs);
    check_totals(tests);
    return tests;
}

} // namespace report
