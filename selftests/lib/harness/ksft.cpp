// SPDX-License-Identifier: GPL-2.0
#include "ksft.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include <csignal>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.hpp"
#include "kselftest.h" /* its counters are static, so only one file may include it */

namespace ksft {

namespace {

constexpr unsigned int max_printed_failures = 10;

/* How a case ended: KSFT_PASS, KSFT_FAIL or KSFT_SKIP, and why. */
struct Outcome {
    int status;
    std::array<char, 500> reason;
};

/* Failed expectations of the case that runs in this process. */
unsigned int failures;

/* Why that case counts as skipped although it goes on; empty if it does not. */
std::string reason_to_skip_at_end;

void set_outcome(Outcome& outcome, int status, const std::string& reason) {
    std::string line = reason;

    std::replace(line.begin(), line.end(), '\n', ' ');
    outcome.status = status;
    outcome.reason.fill(0);
    line.copy(outcome.reason.data(), outcome.reason.size() - 1);
}

void run_body(const Case& test, Outcome& outcome) {
    try {
        test.body();
        if (failures > max_printed_failures)
            note("... and " + std::to_string(failures - max_printed_failures) + " more failures");
        if (failures != 0)
            set_outcome(outcome, KSFT_FAIL, std::to_string(failures) + " failed expectations");
        else if (!reason_to_skip_at_end.empty())
            set_outcome(outcome, KSFT_SKIP, reason_to_skip_at_end);
        else
            set_outcome(outcome, KSFT_PASS, "");
    } catch (const Skip& reason) {
        /* A skip does not undo earlier failures. */
        set_outcome(outcome, failures ? KSFT_FAIL : KSFT_SKIP, reason.reason);
    } catch (const std::exception& error) {
        set_outcome(outcome, KSFT_FAIL, error.what());
    } catch (...) {
        set_outcome(outcome, KSFT_FAIL, "exception of unknown type");
    }
}

std::string end_of_process(int wait_status, unsigned int timeout_s) {
    if (!WIFSIGNALED(wait_status))
        return "left the program with exit status " + std::to_string(WEXITSTATUS(wait_status));
    if (WTERMSIG(wait_status) == SIGALRM)
        return "timed out after " + std::to_string(timeout_s) + " s";
    return std::string("killed by signal: ") + strsignal(WTERMSIG(wait_status));
}

/* Waits until the child ends. The child keeps its number until it is reaped. */
void wait_for_end(pid_t pid) {
    siginfo_t ended{};

    while (waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT) < 0)
        if (errno != EINTR)
            throw std::runtime_error(testexp::errno_error("waitid").what);
}

/*
 * Runs the case in a child, which writes its outcome to shared memory. The child leads a process
 * group, so that nothing outlives the case that started it.
 */
void run_in_child(const Case& test, unsigned int timeout_s, Outcome& outcome) {
    set_outcome(outcome, -1, "");
    (void)std::fflush(stdout);
    try {
        testexp::Child child([&] {
            setpgid(0, 0);
            alarm(timeout_s);
            run_body(test, outcome);
            return 0;
        });

        /* Nobody else gets the number of the group before wait() has reaped the leader. */
        wait_for_end(child.pid());
        (void)kill(-child.pid(), SIGKILL);

        const int status = child.wait();

        if (status != 0 || outcome.status < 0)
            set_outcome(outcome, KSFT_FAIL, end_of_process(status, timeout_s));
    } catch (const std::exception& error) {
        set_outcome(outcome, KSFT_FAIL, error.what());
    }
}

void report(const Case& test, const Outcome& outcome) {
    const char* name = test.name.c_str();
    const char* reason = outcome.reason.data();

    if (outcome.status == KSFT_SKIP) {
        ksft_test_result_code(KSFT_SKIP, name, "%s", reason);
    } else if (outcome.status == KSFT_FAIL) {
        note(test.name + ": " + reason);
        ksft_test_result_fail("%s\n", name);
    } else {
        ksft_test_result_pass("%s\n", name);
    }
}

/* Memory that the children share. It stays until the program ends. */
Outcome& shared_outcome() {
    void* memory =
        mmap(nullptr, sizeof(Outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        ksft_exit_fail_perror("mmap");
    return *new (memory) Outcome{};
}

unsigned int timeout_from_environment(unsigned int timeout_s) {
    const char* text = std::getenv("KSFT_CASE_TIMEOUT");
    const int value = text ? std::atoi(text) : 0;

    return value > 0 ? static_cast<unsigned int>(value) : timeout_s;
}

/* The lines of KSFT_CASES; without KSFT_CASES a pattern that matches every name. */
std::vector<std::string> patterns_from_environment() {
    const char* text = std::getenv("KSFT_CASES");
    std::istringstream lines(text && *text ? text : "*");
    std::vector<std::string> patterns;

    for (std::string line; std::getline(lines, line);)
        patterns.push_back(line);
    return patterns;
}

/*
 * The cases whose names match a pattern. A pattern without a case is an error: a test that does not
 * exist cannot pass.
 */
std::vector<Case> chosen_cases(const Plan& plan) {
    std::vector<bool> chosen(plan.cases().size());
    std::vector<Case> cases;

    if (plan.cases().empty())
        throw std::invalid_argument("the plan has no cases");
    for (const std::string& pattern : patterns_from_environment()) {
        bool found = false;

        for (std::size_t i = 0; i < chosen.size(); i++) {
            const bool match = matches(plan.cases()[i].name, pattern);

            found |= match;
            chosen[i] = chosen[i] || match;
        }
        if (!found)
            throw std::invalid_argument("no case has '" + pattern + "' in its name");
    }
    for (std::size_t i = 0; i < chosen.size(); i++)
        if (chosen[i])
            cases.push_back(plan.cases()[i]);
    return cases;
}

} // namespace

void Plan::add(std::string name, std::function<void()> body) {
    const auto same_name = [&](const Case& test) { return test.name == name; };

    if (name.empty() || name.find_first_of("#\n") != std::string::npos)
        throw std::invalid_argument("not a KTAP case name: '" + name + "'");
    if (std::any_of(cases_.begin(), cases_.end(), same_name))
        throw std::invalid_argument("two cases are called '" + name + "'");
    cases_.push_back({std::move(name), std::move(body)});
}

void skip(std::string reason) {
    throw Skip(std::move(reason));
}

void skip_at_end(std::string reason) {
    reason_to_skip_at_end = std::move(reason);
}

void fail(const std::string& reason) {
    throw std::runtime_error(reason);
}

void note(const std::string& text) {
    std::istringstream lines(text);

    for (std::string line; std::getline(lines, line);)
        ksft_print_msg("%s\n", line.c_str());
}

void record_failure(const std::string& text, const char* file, int line) {
    if (++failures <= max_printed_failures) {
        const char* slash = std::strrchr(file, '/');

        note(std::string(slash ? slash + 1 : file) + ":" + std::to_string(line) + ": " + text);
    }
}

unsigned int failures_so_far() {
    return failures;
}

bool expect(bool condition, const std::string& what, const char* file, int line) {
    if (!condition)
        record_failure("not so: " + what, file, line);
    return condition;
}

bool matches(std::string_view name, std::string_view pattern) {
    while (true) {
        const std::size_t star = pattern.find('*');
        const std::string_view part = pattern.substr(0, star);
        const std::size_t at = name.find(part);

        if (at == std::string_view::npos || star == std::string_view::npos)
            return at != std::string_view::npos;
        name.remove_prefix(at + part.size());
        pattern.remove_prefix(star + 1);
    }
}

Totals totals() {
    return {ksft_cnt.ksft_pass, ksft_cnt.ksft_fail, ksft_cnt.ksft_xskip};
}

int run(const std::function<void(Plan&)>& make_plan, unsigned int case_timeout_s) {
    const unsigned int timeout_s = timeout_from_environment(case_timeout_s);
    std::vector<Case> cases;

    ksft_print_header();
    try {
        Plan plan;

        make_plan(plan);
        cases = chosen_cases(plan);
    } catch (const Skip& reason) {
        ksft_exit_skip("%s\n", reason.reason.c_str());
    } catch (const std::exception& error) {
        ksft_exit_fail_msg("%s\n", error.what());
    }

    Outcome& outcome = shared_outcome();

    const bool stops = std::getenv("KSFT_STOP_AT_FAILURE") != nullptr;

    ksft_set_plan(static_cast<unsigned int>(cases.size()));
    for (const Case& test : cases) {
        if (stops && ksft_cnt.ksft_fail != 0)
            set_outcome(outcome, KSFT_SKIP, "a case before it failed (KSFT_STOP_AT_FAILURE)");
        else
            run_in_child(test, timeout_s, outcome);
        report(test, outcome);
    }
    ksft_print_cnts();
    if (ksft_cnt.ksft_fail != 0)
        return KSFT_FAIL;
    return ksft_cnt.ksft_pass != 0 ? KSFT_PASS : KSFT_SKIP;
}

} // namespace ksft
