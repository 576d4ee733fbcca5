/* SPDX-License-Identifier: GPL-2.0 */
/* What perf said about each path, as scripts/lib/guest/perf left it. */
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "document.hpp"

namespace report {

struct Counter {
    double count = 0;     /* of the operations, without the set-up */
    double running = 100; /* percent of the time in which the processor counted it */
};

struct PerfPath {
    std::string path;
    std::string name;                                       /* of the case */
    double ops = 0;                                         /* that the counters are of */
    std::map<std::string, std::optional<Counter>> counters; /* empty: the machine lacks it */
    std::string event;                                      /* that was sampled */
    std::vector<Stack> stacks;
};

struct Perf {
    std::vector<PerfPath> paths;
    std::vector<std::string> failures; /* "path: why" */
};

/* Throws when @object is not what schema.md says. */
Perf parse_perf(const nlohmann::json& object);

std::vector<Block> perf_blocks(const Perf& perf);

/* "perf, what: why" for each path and counter that is not there. */
std::vector<std::string> unmeasured(const Perf& perf);

} // namespace report
