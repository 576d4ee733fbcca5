// SPDX-License-Identifier: GPL-2.0
#include "bufinfo.hpp"

#include <fstream>

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fixture.hpp"

namespace testexp {

namespace {

constexpr const char* bufinfo_path = "/sys/kernel/debug/dma_buf/bufinfo";

/* Where nobody else sees it, if it is not mounted for everybody already. */
void mount_debugfs() {
    if (access(bufinfo_path, R_OK) == 0)
        return;
    if (unshare(CLONE_NEWNS) < 0 ||
        mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
        mount("debugfs", "/sys/kernel/debug", "debugfs", 0, nullptr) < 0)
        ksft::skip(errno_error("cannot mount debugfs").what);
}

} // namespace

std::vector<std::string> bufinfo_lines() {
    mount_debugfs();

    std::ifstream file(bufinfo_path);
    std::vector<std::string> lines;

    if (!file)
        ksft::skip("the kernel has no dma_buf/bufinfo in debugfs");
    for (std::string line; std::getline(file, line);)
        lines.push_back(line);
    return lines;
}

} // namespace testexp
