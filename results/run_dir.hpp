/* SPDX-License-Identifier: GPL-2.0 */
/* A run directory, as scripts/run leaves it; see schema.md. */
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bench.hpp"
#include "environment.hpp"
#include "hist_json.hpp"
#include "kernel_log.hpp"
#include "ktap.hpp"
#include "mutants.hpp"
#include "perf.hpp"
#include "regression.hpp"

namespace report {

/*
 * Every part may be absent; then it is named in @missing, but for @environment_after,
 * for @regression, @mutants and @perf, which few runs have, and for @probe_cost, which
 * the run itself names.
 */
struct RunDir {
    std::optional<testexp::Facts> environment;
    std::optional<testexp::Facts> environment_after; /* the same when all was measured */
    std::vector<TestProgram> tests;
    std::optional<Bench> bench;
    std::optional<Bench> icount;
    std::optional<Bench> probe_cost;
    std::optional<Bench> contention;
    std::optional<std::vector<testexp::NamedHistogram>> latency;
    std::optional<KernelLog> kernel_log;
    std::optional<Regression> regression;
    std::optional<Mutants> mutants;
    std::optional<Perf> perf;
    std::vector<std::string> missing; /* "what: why" */
};

/**
 * Reads what is there. Throws std::runtime_error with one line when the
 * directory cannot be read or a file in it is not what it should be.
 */
RunDir load_run_dir(const std::filesystem::path& directory);

} // namespace report
