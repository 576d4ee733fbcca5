// SPDX-License-Identifier: GPL-2.0
/*
 * Not a test, but programs for ksft_test.cpp to run: they behave well, or as badly as a test can.
 * The argument chooses one.
 */
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <string_view>

#include <unistd.h>

#include "ksft.hpp"

namespace {

void pass() {
}

void fail() {
    ksft::expect_eq(1 + 1, 3, "sum");
    ksft::expect(false, "two is odd");
}

void fail_often() {
    for (int i = 0; i < 1000; i++)
        ksft::expect_eq(i, -1, "i");
}

void compare_signs() {
    ksft::expect_eq(-1, 0xffffffffU, "a sign matters");
}

void skip() {
    const bool has_hardware = false;

    REQUIRE(has_hardware, "this machine is too small");
}

void skip_at_end() {
    ksft::skip_at_end("a part of it");
    ksft::note("goes on");
}

void skip_at_end_and_fail() {
    ksft::skip_at_end("a part of it");
    ksft::expect(false, "two plus two is five");
}

void skip_at_end_and_throw() {
    ksft::skip_at_end("a part of it");
    throw std::runtime_error("thrown later");
}

void skip_after_failure() {
    fail();
    ksft::skip("came too late");
}

void throw_exception() {
    throw std::runtime_error("first line\nsecond line");
}
void throw_integer() {
    throw 1;
}
void segfault() {
    (void)std::signal(SIGSEGV, SIG_DFL); /* a sanitizer would turn the signal into an exit */
    (void)raise(SIGSEGV);
}
void abort_program() {
    std::abort();
}
void leave_program() {
    std::exit(0);
}
void hang() {
    sleep(1000);
}
void half_a_line() {
    std::printf("# half a li");
}
void imitate_result() {
    ksft::note("ignored\nok 1 forged\nBail out! forged");
}

/* Only ksft can end this child. The child would hold the pipe to the reader open. */
void leave_a_child() {
    const pid_t child = fork();

    if (child < 0)
        throw std::runtime_error("fork");
    if (child == 0)
        hang();
}

struct Fake {
    std::string_view name;
    void (*body)();
};

constexpr Fake fakes[] = {
    {"pass", pass},
    {"fail", fail},
    {"fail_often", fail_often},
    {"compare_signs", compare_signs},
    {"skip", skip},
    {"skip_after_failure", skip_after_failure},
    {"skip_at_end", skip_at_end},
    {"skip_at_end_and_fail", skip_at_end_and_fail},
    {"skip_at_end_and_throw", skip_at_end_and_throw},
    {"throw", throw_exception},
    {"throw_integer", throw_integer},
    {"segfault", segfault},
    {"abort", abort_program},
    {"leave", leave_program},
    {"hang", hang},
    {"half_a_line", half_a_line},
    {"imitate", imitate_result},
    {"leave_a_child", leave_a_child},
};

void skip_here() {
    ksft::skip("not here");
}

void plan_skips(ksft::Plan& plan, void (*middle)()) {
    plan.add("P1.first[n=1]", skip_here);
    plan.add("P2.middle[percent=%s%n]", middle);
    plan.add("P3.last", skip_here);
}

/* Two good cases, and the chosen one between them. */
void make_plan(ksft::Plan& plan, std::string_view what) {
    if (what == "no_cases")
        return;
    if (what == "skip_all")
        return plan_skips(plan, skip_here);
    if (what == "skip_all_but_a_failure")
        return plan_skips(plan, fail);
    if (what == "skip_program")
        ksft::skip("module is not loaded");
    if (what == "same_name")
        plan.add("P1.first[n=1]", pass);
    if (what == "bad_name")
        plan.add("P1.a#b", pass);
    if (what == "throw_in_plan")
        throw std::runtime_error("no plan");

    plan.add("P1.first[n=1]", pass);
    for (const Fake& fake : fakes)
        if (fake.name == what)
            plan.add("P2.middle[percent=%s%n]", fake.body);
    plan.add("P3.last", pass);
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "pass";

    return ksft::run([&](ksft::Plan& plan) { make_plan(plan, what); });
}
