/* SPDX-License-Identifier: GPL-2.0 */
/* What a test program printed, read as KTAP. */
#pragma once

#include <istream>
#include <string>
#include <vector>

namespace report {

enum class Outcome { pass, fail, skip };

struct TestResult {
    std::string name;
    Outcome outcome = Outcome::pass;
    std::string reason; /* of a skip, or what was said before a failure */
};

struct TestProgram {
    std::string name;
    std::vector<TestResult> results;

    int count(Outcome outcome) const;
};

/**
 * Only lines at the outermost level count. A program that stopped in the middle,
 * bailed out, or printed no plan has one failed result more, which says so.
 */
TestProgram parse_ktap(const std::string& name, std::istream& input);

} // namespace report
