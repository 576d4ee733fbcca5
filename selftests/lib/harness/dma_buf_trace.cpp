// SPDX-License-Identifier: GPL-2.0
#include "dma_buf_trace.hpp"

#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "fixture.hpp"
#include "trace_lines.hpp"

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
    return trace_lines(path_ + "/trace");
}

} // namespace testexp
