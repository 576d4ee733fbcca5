/* SPDX-License-Identifier: GPL-2.0 */
/* What selftests/run found, as it stands in tests.json. Nothing is judged here again. */
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "log_verdict.hpp"

namespace report {

enum class Outcome { pass, fail, skip };

struct TestCase {
    std::string name;
    Outcome outcome = Outcome::pass;
    std::string reason;             /* of a skip, or what was said before a failure */
    std::vector<std::string> notes; /* what the case said of itself, whatever its outcome */
};

struct TestProgram {
    std::string name;
    double seconds = 0;
    std::vector<TestCase> cases;
    std::vector<std::string> faults; /* what is wrong beyond its failed cases */

    int count(Outcome outcome) const;
};

struct SelfTests {
    bool is_complete = false; /* else the run was cut off */
    bool is_quick = false;    /* sizes and counts were small */
    int passed = 0;
    int failed = 0; /* cases, programs with faults, and faults of the run */
    int skipped = 0;
    std::vector<TestProgram> programs;
    std::vector<std::string> not_run; /* programs that were to run */
    std::vector<std::string> faults;  /* of the run as a whole */
    LogVerdict kernel_log;            /* of the time that the tests took */
    std::string why_no_leaks;         /* why leaks were not judged, where the run says so */

    /* Something was found to be wrong, or may be wrong unseen. */
    bool has_failed() const;

    /* Nothing is wrong, but nothing passed either. */
    bool tested_nothing() const { return passed == 0 && !has_failed(); }
};

/**
 * Throws when @object is not what schema.md says, or when its totals are not those of its
 * programs: such a file is damaged.
 */
SelfTests parse_self_tests(const nlohmann::json& object);

} // namespace report
