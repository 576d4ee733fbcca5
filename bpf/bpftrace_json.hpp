/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads what `bpftrace -f json` printed for calls.bt or locks.bt.
 */
#pragma once

#include <istream>
#include <span>
#include <string>
#include <vector>

#include "latency_output.hpp"

namespace latency {

struct Traces {
    Histograms histograms;
    std::vector<std::string> problems; /* why some are left out, or not all of each is known */
};

/**
 * A histogram for each of @names, in the order of the numbers that the script has for
 * them. bpftrace has a bucket per
 * power of two: percentiles are upper edges of those, while count, sum, min and max are exact.
 *
 * Events that bpftrace reports as lost are counted for each of them, as it does
 * not say whose they were; hits of a kprobe that the kernel dropped it cannot see.
 *
 * The output of a bpftrace that was stopped ends with a line that is cut off, or lacks whole lines.
 * Only the caller knows of lines that are missing, and sets @was_stopped. Each histogram that is
 * whole is kept, with a label "cut". One whose buckets do not add up to its count is left out, cut
 * or not.
 *
 * The error names the line that is not bpftrace's, or whose number has no name.
 */
testexp::Result<Traces> from_bpftrace(std::istream& text, std::span<const std::string> names,
                                      const testexp::Environment& environment,
                                      bool was_stopped = false);

} // namespace latency
