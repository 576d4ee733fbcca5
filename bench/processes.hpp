/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The same benchmark in several processes. Repetitions in one process share its buffers,
 * and so the pages, the huge-page mappings and the cache sets that these buffers got. So
 * repetitions of one process differ less than repetitions of two processes.
 */
#pragma once

#include <span>
#include <string>
#include <vector>

#include "testexp.hpp"

namespace bench {

/* The exit status when no case failed and none was measured: kselftest's for a skip. */
inline constexpr int nothing_measured = 4;

struct ProcessEnd {
    int status = 0;   /* of exit, or 128 + the number of the signal */
    std::string text; /* what it wrote to its --out */
};

/**
 * Runs @argv with "--out FILE", where FILE is a pipe to this process. The child ends when this
 * process ends or gets a signal. The error says why the child does not start.
 */
testexp::Result<ProcessEnd> run_process(std::vector<std::string> argv);

/**
 * Makes one JSON file of those of all processes: the context of the first, and all results. Each
 * result has "process": the number of its process from 0. The error names the process whose text
 * is not JSON of Google Benchmark.
 */
testexp::Result<std::string> merge_processes(std::span<const std::string> texts);

/* One status for two processes: that of a failure before 0, and 0 before nothing_measured. */
int merge_statuses(int one, int other);

} // namespace bench
