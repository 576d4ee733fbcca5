/* SPDX-License-Identifier: GPL-2.0 */
/* What a thread of a law found. Only the thread that runs the law may record failures. */
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace check {

struct ThreadReport {
    std::uint64_t differences = 0;
    std::string first; /* the text of the first difference */

    void add(const std::string& text);
};

/* Runs @body in the present thread. An exception of @body is a difference. */
void run_and_report(ThreadReport& report, const std::function<void()>& body);

} // namespace check
