/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads what `bpftrace -f json` printed for calls.bt or locks.bt.
 */
#pragma once

#include <istream>
#include <span>
#include <string>

#include "report.hpp"

namespace latency {

/**
 * A histogram for each of @names, in the order of the numbers that the script has for
 * them. bpftrace has a bucket per
 * power of two: percentiles are upper edges of those, while count, sum, min and max are exact.
 *
 * Events that bpftrace reports as lost are counted for each of them, as it does
 * not say whose they were; hits of a kprobe that the kernel dropped it cannot see.
 *
 * The error names the line that is not bpftrace's, or whose number has no name.
 */
testexp::Result<Histograms> from_bpftrace(std::istream& text, std::span<const std::string> names,
                                          const testexp::Environment& environment);

} // namespace latency
