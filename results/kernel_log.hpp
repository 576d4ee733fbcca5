/* SPDX-License-Identifier: GPL-2.0 */
/* What a kernel log says that a kernel developer must see. */
#pragma once

#include <istream>
#include <string>
#include <vector>

namespace report {

struct KernelLog {
    std::vector<std::string> bugs; /* lines that report one */
    int announced_warnings = 0;    /* that a test provoked on purpose, and said so */
};

KernelLog parse_kernel_log(std::istream& input);

} // namespace report
