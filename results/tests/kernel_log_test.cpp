// SPDX-License-Identifier: GPL-2.0
/* Bugs of the kernel are found, and those that a test announced are not bugs. */
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "kernel_log.hpp"

namespace {

report::KernelLog parse(const std::string& text) {
    std::istringstream input(text);

    return report::parse_kernel_log(input);
}

TEST(KernelLog, FindsBugsBehindTimeAndThread) {
    const report::KernelLog log = parse("[    1.000000] Linux version 6.12\n"
                                        "[    2.000000] WARNING: CPU: 0 PID: 7 at a.c:1\n"
                                        "[    3.000000][   T12] BUG: kernel NULL pointer\n"
                                        "Oops: 0000 [#1]\n"
                                        "[    4.000000] a driver says WARNING: in the middle\n");

    ASSERT_EQ(log.bugs.size(), 3U);
    EXPECT_EQ(log.bugs[0], "[    2.000000] WARNING: CPU: 0 PID: 7 at a.c:1");
}

TEST(KernelLog, AnnouncedWarningsAreCountedApart) {
    const report::KernelLog log = parse("[ 1.0] dmabuf_testexp: expect-warning: begin\n"
                                        "[ 1.1] WARNING: CPU: 0\n"
                                        "[ 1.2] BUG: not announced\n"
                                        "[ 1.3] dmabuf_testexp: expect-warning: end\n"
                                        "[ 1.4] WARNING: CPU: 0\n");

    EXPECT_EQ(log.announced_warnings, 1);
    EXPECT_EQ(log.bugs.size(), 2U);
}

TEST(KernelLog, OneAnnouncedSplat) {
    const report::KernelLog log =
        parse("[ 1.0] dmabuf_testexp: expect-splat: begin sleeping function called\n"
              "[ 1.1] BUG: sleeping function called from invalid context\n"
              "[ 1.2] BUG: sleeping function called from invalid context, again\n"
              "[ 1.3] dmabuf_testexp: expect-splat: end\n"
              "[ 1.4] BUG: sleeping function called from invalid context\n");

    EXPECT_EQ(log.announced_warnings, 1);
    EXPECT_EQ(log.bugs.size(), 2U);
}

/* Lines that selftests/run has to judge in the same way. */
TEST(KernelLog, RealLines) {
    std::ifstream file(KERNEL_LOG_LINES);
    int nr_lines = 0;

    for (std::string kind, line; file >> kind && std::getline(file >> std::ws, line);) {
        if (kind == "#")
            continue;
        nr_lines++;
        EXPECT_EQ(parse("[    1.000000] " + line + "\n").bugs.size(), kind == "fine" ? 0U : 1U)
            << line;
    }
    EXPECT_GT(nr_lines, 60);
}

} // namespace
