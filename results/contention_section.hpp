/* SPDX-License-Identifier: GPL-2.0 */
/* The part of a report that says what waiting for reservation locks costs. */
#pragma once

#include "bench.hpp"
#include "document.hpp"

namespace report {

/* @bench: results of bench_contention. */
Section contention_section(const Bench& bench);

} // namespace report
