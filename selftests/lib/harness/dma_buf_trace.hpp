/* SPDX-License-Identifier: GPL-2.0 */
/* The tracepoints of dma-buf. */
#pragma once

#include <string>
#include <vector>

namespace testexp {

/* While the object exists, a trace buffer of its own records the tracepoints of dma-buf. */
class DmaBufTrace {
public:
    /* Skips where the kernel has no such tracepoints. */
    DmaBufTrace();
    DmaBufTrace(const DmaBufTrace&) = delete;
    DmaBufTrace& operator=(const DmaBufTrace&) = delete;
    ~DmaBufTrace();

    std::vector<std::string> lines() const;

private:
    std::string path_;
};

} // namespace testexp
