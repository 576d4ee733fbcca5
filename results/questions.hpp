/* SPDX-License-Identifier: GPL-2.0 */
/* Tables that answer one question each from the cases of a benchmark. */
#pragma once

#include <vector>

#include "bench.hpp"
#include "document.hpp"

namespace report {

/* The case on 2 MiB in one extent, else the one on the smallest buffer. Or nullptr. */
const BenchCase* simplest_case(const Bench& bench, const std::string& path);

/* A table for each question that the cases answer: see the captions. */
std::vector<Table> question_tables(const Bench& bench);

} // namespace report
