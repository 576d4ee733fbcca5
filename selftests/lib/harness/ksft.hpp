/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A self-test program as a list of named callables, with KTAP output.
 *
 * A facade over the kernel's kselftest.h. Each case runs in a process of its own. A case that
 * crashes, hangs or leaves a descriptor open is one failed case, and the output stays valid. State
 * in memory does not pass from case to case.
 *
 *	int main() {
 *	    return ksft::run([](ksft::Plan& plan) {
 *	        plan.add("P18.max_order[order=9]", [] { ... });
 *	    });
 *	}
 *
 * A case passes when it returns without a failed expectation. It fails with an
 * exception's text, and is skipped by skip() or REQUIRE(). A skip that is thrown
 * while the plan is made skips the whole program.
 *
 * Exit status of run(): 1 a case failed, 0 none did and one passed, 4 nothing was
 * tested: the program was skipped, or all of its cases were.
 */
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "limits.hpp"

namespace ksft {

struct Case {
    std::string name; /* without '#' and line breaks, which have a meaning in KTAP */
    std::function<void()> body;
};

class Plan {
public:
    /* std::invalid_argument for a name that KTAP does not allow, or that is taken. */
    void add(std::string name, std::function<void()> body);

    const std::vector<Case>& cases() const { return cases_; }

private:
    std::vector<Case> cases_;
};

/**
 * Makes the plan, runs its cases in order and prints KTAP.
 *
 * @case_timeout_s: seconds after which a case is killed and failed. The variable
 * KSFT_CASE_TIMEOUT, if set, replaces it. KSFT_CASES, if set, has a pattern in
 * each line, and only cases that match a pattern run. A pattern is text that stands in
 * the case's name; '*' stands for any text. With KSFT_STOP_AT_FAILURE set, the cases
 * after one that failed are skipped.
 */
int run(const std::function<void(Plan&)>& make_plan,
        unsigned int case_timeout_s = testexp::limits::case_s);

/* Whether @name contains the parts of @pattern between its '*', in this order. */
bool matches(std::string_view name, std::string_view pattern);

/* How many cases ended in which way. */
struct Totals {
    unsigned int passed = 0;
    unsigned int failed = 0;
    unsigned int skipped = 0;
};

/* Of the cases that run() has run. */
Totals totals();

/* The exception that skip() throws. */
struct Skip : std::exception {
    explicit Skip(std::string why) : reason(std::move(why)) {}

    const char* what() const noexcept override { return reason.c_str(); }

    std::string reason;
};

[[noreturn]] void skip(std::string reason);

/*
 * Marks the case as skipped, and lets the case go on: the kernel lacks something that only a part
 * of its checks needs. A failure still counts as a failure.
 */
void skip_at_end(std::string reason);

/* Ends the case as failed, where going on is pointless. */
[[noreturn]] void fail(const std::string& reason);

/* Skips unless @expression holds. The reason contains @why and the expression. */
#define REQUIRE(expression, why)                                                                   \
    do {                                                                                           \
        if (!(expression))                                                                         \
            ksft::skip(std::string(why) + " (needs " #expression ")");                             \
    } while (0)

/* Prints a diagnostic line, or several if @text has line breaks. */
void note(const std::string& text);

/*
 * Records a failure and goes on. The first few failures of a case are printed, the others counted.
 */
void record_failure(const std::string& text, const char* file, int line);

/* How many expectations of this case have failed. */
unsigned int failures_so_far();

bool expect(bool condition, const std::string& what, const char* file = __builtin_FILE(),
            int line = __builtin_LINE());

/* A value for a message, as a stream prints it; characters and bool as numbers. */
template <typename T> std::string printed(const T& value) {
    std::ostringstream out;

    if constexpr (std::is_enum_v<T>)
        out << static_cast<std::int64_t>(value);
    else if constexpr (std::is_integral_v<T> && sizeof(T) == 1)
        out << static_cast<int>(value);
    else
        out << value;
    return out.str();
}

/* Equality that compares integers of different signedness by value. */
template <typename A, typename B> bool equal(const A& a, const B& b) {
    if constexpr (std::is_integral_v<A> && std::is_integral_v<B> && !std::is_same_v<A, bool> &&
                  !std::is_same_v<B, bool>)
        return std::cmp_equal(a, b);
    else
        return a == b;
}

/* Records a failure "what: is A, must be B" unless both are equal. */
template <typename A, typename B>
bool expect_eq(const A& is, const B& must_be, const std::string& what,
               const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    const bool same = equal(is, must_be);

    if (!same)
        record_failure(what + ": is " + printed(is) + ", must be " + printed(must_be), file, line);
    return same;
}

} // namespace ksft
