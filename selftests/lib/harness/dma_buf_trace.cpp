// SPDX-License-Identifier: GPL-2.0
#include "dma_buf_trace.hpp"

#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "fixture.hpp"

namespace testexp {

DmaBufTrace::DmaBufTrace()
    : path_("/sys/kernel/tracing/instances/dmabuf_" + std::to_string(getpid())) {
    mount_tracefs();
    if (mkdir(path_.c_str(), 0700) < 0)
        ksft::skip(errno_error("cannot make an instance of tracefs").what);
    std::ofstream enable(path_ + "/events/dma_buf/enable");

    /* skip() throws, so the destructor does not run. */
    if (!(enable << "1" << std::flush)) {
        rmdir(path_.c_str());
        ksft::skip("the kernel has no tracepoints of dma-buf");
    }
}

DmaBufTrace::~DmaBufTrace() {
    rmdir(path_.c_str());
}

std::vector<std::string> DmaBufTrace::lines() const {
    std::ifstream file(path_ + "/trace");
    std::vector<std::string> lines;

    for (std::string line; std::getline(file, line);)
        lines.push_back(line);
    return lines;
}

} // namespace testexp
