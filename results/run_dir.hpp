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
#include "log_verdict.hpp"
#include "mutants.hpp"
#include "perf.hpp"
#include "regression.hpp"
#include "self_tests.hpp"

namespace report {

/*
 * Every part may be absent; then it is named in @missing, but for @environment_after, and
 * for @regression, @mutants and @perf, which few runs have. A damaged file is an absent
 * part, and named in @damaged as well: what it held may be a failure.
 */
struct RunDir {
    std::optional<testexp::Facts> environment;
    std::optional<testexp::Facts> environment_after; /* the same when all was measured */
    std::optional<SelfTests> tests;
    std::optional<Bench> bench;
    std::optional<Bench> icount;
    std::optional<Bench> probe_cost;
    std::optional<Bench> contention;
    std::optional<std::vector<testexp::NamedHistogram>> latency;
    std::optional<LogVerdict> kernel_log;
    std::optional<Regression> regression;
    std::optional<Mutants> mutants;
    std::optional<Perf> perf;
    std::vector<std::string> missing; /* "what: why" */
    std::vector<std::string> damaged; /* "file: why" */
};

/* Reads what is there. Throws std::runtime_error with one line when there is no such directory. */
RunDir load_run_dir(const std::filesystem::path& directory);

} // namespace report
