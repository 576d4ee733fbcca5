/* SPDX-License-Identifier: GPL-2.0 */
/* The picture of contention that the first screen of the report shows. */
#pragma once

#include <optional>

#include "bench.hpp"
#include "document.hpp"

namespace report {

/**
 * Throughput with the largest number of threads, by how the threads share buffers. @bench: the
 * results of bench_contention. Nothing when there are none with a hold.
 */
std::optional<Bars> contention_bars(const Bench& bench);

} // namespace report
