/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads what the kernel logs from a moment on, for example to see whether a call gives a WARNING.
 * The reader sees all messages, not only those that this process causes.
 */
#pragma once

#include <string>
#include <vector>

#include "testexp.hpp"

namespace testexp {

class Kmsg {
public:
    /* Starts reading now. std::runtime_error if the log cannot be read. */
    Kmsg();

    /*
     * The texts since the last call, or since the construction. NotJudged if the kernel has
     * overwritten some of them.
     */
    std::vector<std::string> new_lines();

    /* The number of new lines that begin a WARNING. */
    unsigned int new_warnings();

    /*
     * The new lines that begin the report of a bug: a WARNING, an oops, lockdep, KASAN. NotJudged
     * if there is no such line, but lockdep has stopped.
     */
    std::vector<std::string> new_bugs();

private:
    Fd fd_;
};

} // namespace testexp
