/* SPDX-License-Identifier: GPL-2.0 */
/* The counters and samples of each path, in the file that scripts/lib/guest/perf writes. */
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
    double count = 0;     /* events in the operations; the set-up is not counted */
    double running = 100; /* percent of the time in which the processor counted the event */
};

struct PerfPath {
    std::string path;
    std::string name; /* the name of the case */
    double ops = 0;   /* the operations that the counters belong to */
    /* by event; no Counter where the machine cannot count the event */
    std::map<std::string, std::optional<Counter>> counters;
    std::string event; /* the event that was sampled */
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
