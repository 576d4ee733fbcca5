/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <stdexcept>
#include <string>

namespace testexp {

/**
 * Thrown where a test did not see what it needs to see, because the kernel overwrote or dropped it.
 * The case fails. A hunt for faults knows the beginning of the text, NOT_JUDGED in
 * selftests/kernel_bugs.py, and does not take the failure for a fault that was found.
 */
struct NotJudged : std::runtime_error {
    explicit NotJudged(const std::string& why) : std::runtime_error("not judged: " + why) {}
};

} // namespace testexp
