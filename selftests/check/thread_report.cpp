// SPDX-License-Identifier: GPL-2.0
#include "thread_report.hpp"

#include <exception>

namespace check {

void ThreadReport::add(const std::string& text) {
    if (differences++ == 0)
        first = text;
}

void run_and_report(ThreadReport& report, const std::function<void()>& body) {
    try {
        body();
    } catch (const std::exception& error) {
        report.add(error.what());
    } catch (...) {
        report.add("exception of unknown type");
    }
}

} // namespace check
