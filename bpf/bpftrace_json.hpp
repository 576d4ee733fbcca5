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
 * Returns a histogram for each of @names, in the order of the script's numbers. bpftrace has one
 * bucket for each power of two, so a percentile is the upper end of such a bucket. count, sum, min
 * and max are exact.
 *
 * bpftrace does not say which function a lost event belongs to, so each histogram counts all lost
 * events. bpftrace does not see the kprobe hits that the kernel dropped.
 *
 * The output of a bpftrace that was stopped ends with a line that is cut off, or lacks whole lines.
 * Only the caller knows of lines that are missing, and sets @was_stopped. Each histogram that is
 * whole is kept, with a label "cut". A histogram whose buckets do not add up to its count is left
 * out, also where the output is whole.
 *
 * The error names the line that is not bpftrace's, or whose number has no name.
 */
testexp::Result<Traces> from_bpftrace(std::istream& text, std::span<const std::string> names,
                                      const testexp::Environment& environment,
                                      bool was_stopped = false);

} // namespace latency
