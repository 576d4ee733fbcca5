// SPDX-License-Identifier: GPL-2.0
#include "run_dir.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace report {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

testexp::Facts parse_facts(const ordered_json& object) {
    testexp::Facts facts;

    if (!object.is_object())
        throw std::invalid_argument("no object");
    for (const auto& [name, value] : object.items())
        facts.emplace_back(name, value.get<std::string>());
    return facts;
}

/* The lines of missing.txt, in which scripts/run says what it could not do. */
void load_missing(const fs::path& path, RunDir& run) {
    std::ifstream file(path);

    for (std::string line; std::getline(file, line);) {
        if (!line.empty())
            run.missing.push_back(line);
    }
}

/* A log that nobody could judge is missing, although its file is there. */
void note_unjudged(const std::string& what, const LogVerdict& log, RunDir& run) {
    if (!log.is_judged)
        run.missing.push_back(what + ": not judged: " + log.why);
}

/* A tracer that was stopped, or that could not see all, may have missed calls. */
void note_cuts(const std::vector<testexp::NamedHistogram>& latency, RunDir& run) {
    for (const testexp::NamedHistogram& row : latency) {
        if (const auto cut = row.labels.find("cut"); cut != row.labels.end())
            run.missing.push_back("latency of " + row.name + ": cut: " + cut->second);
    }
}

std::vector<testexp::NamedHistogram> parse_latency(const json& list) {
    return list.get<std::vector<testexp::NamedHistogram>>();
}

} // namespace

void note_damage(RunDir& run, const std::string& name, const std::string& why) {
    run.damaged.push_back(name + ": " + why);
    run.missing.push_back(name + ": damaged, so what it holds is left out: " + why);
}

RunDir load_run_dir(const fs::path& directory) {
    constexpr Absence missed = Absence::is_missed;
    RunDir run;

    if (!fs::is_directory(directory))
        throw std::runtime_error(directory.string() + ": no such directory");
    run.path = directory;

    const auto facts = [&run](const char* name, Absence absence) {
        return read_part<testexp::Facts, ordered_json>(run, name, absence, parse_facts);
    };
    const auto bench = [&run](const char* name) {
        const auto part = read_part<Bench>(run, name, missed, parse_bench);

        if (part && std::ranges::none_of(part->cases, &BenchCase::is_measured))
            run.missing.push_back(std::string(name) + ": no case was measured");
        return part;
    };

    load_missing(directory / "missing.txt", run);
    run.environment = facts("env.json", missed);
    run.environment_after = facts("env-after.json", Absence::is_usual);
    run.tests = read_part<SelfTests>(run, "ktap/tests.json", missed, parse_self_tests);
    run.bench = bench("bench.json");
    run.icount = bench("bench-icount.json");
    run.contention = bench("bench-contention.json");
    run.probe_cost = bench("probe-icount.json");
    run.latency =
        read_part<std::vector<testexp::NamedHistogram>>(run, "latency.json", missed, parse_latency);
    if (run.latency)
        note_cuts(*run.latency, run);
    run.kernel_log = read_part<LogVerdict>(run, "kernel-log.json", missed, parse_log_verdict);
    if (run.tests) {
        note_unjudged("kernel log of the self-tests", run.tests->kernel_log, run);
        if (!run.tests->why_no_leaks.empty())
            run.missing.emplace_back("leaks of memory: not judged: " + run.tests->why_no_leaks);
    }
    if (run.kernel_log)
        note_unjudged("kernel log", *run.kernel_log, run);
    return run;
}

std::vector<const Bench*> benches(const RunDir& run) {
    std::vector<const Bench*> found;

    for (const auto* bench : {&run.icount, &run.bench, &run.contention, &run.probe_cost}) {
        if (*bench)
            found.push_back(&**bench);
    }
    return found;
}

std::string fact(const RunDir& run, const std::string& name) {
    if (run.environment) {
        for (const auto& [key, value] : *run.environment) {
            if (key == name)
                return value;
        }
    }
    for (const Bench* bench : benches(run)) {
        if (bench->context.contains(name))
            return bench->context.at(name);
    }
    return "unknown";
}

} // namespace report
