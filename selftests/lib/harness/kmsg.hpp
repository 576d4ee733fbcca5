/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel has said since a moment: whether a call was answered with a
 * WARNING, or silently. Sees everything the kernel logs, not only what this
 * process caused.
 */
#pragma once

#include <string>
#include <vector>

#include "testexp.hpp"

namespace testexp {

class Kmsg {
public:
    /* From now on. std::runtime_error when the log cannot be read. */
    Kmsg();

    /* The texts logged since the last call, or since construction. */
    std::vector<std::string> new_lines();

    /* How many of the new lines begin a WARNING. */
    unsigned int new_warnings();

private:
    Fd fd_;
};

} // namespace testexp
