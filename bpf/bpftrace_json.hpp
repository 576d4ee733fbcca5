/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads what `bpftrace -f json` printed for latency.bt.
 */
#pragma once

#include <istream>
#include <span>
#include <string>

#include "report.hpp"

namespace latency {

/**
 * A histogram for each of @functions, in the order of their numbers. bpftrace has a bucket per
 * power of two: percentiles are upper edges of those, while count, sum, min and max are exact.
 *
 * Events that bpftrace reports as lost are counted for every function, as it does
 * not say whose they were; hits of a kprobe that the kernel dropped it cannot see.
 *
 * The error names the line that is not bpftrace's, or whose function has no name.
 */
testexp::Result<Histograms> from_bpftrace(std::istream& text,
                                          std::span<const std::string> functions,
                                          const testexp::Environment& environment);

} // namespace latency
