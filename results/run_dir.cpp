// SPDX-License-Identifier: GPL-2.0
#include "run_dir.hpp"

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace report {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

void note_damage(RunDir& run, const std::string& name, const std::string& why) {
    run.damaged.push_back(name + ": " + why);
    run.missing.push_back(name + ": damaged, so what it holds is left out: " + why);
}

/* Who misses a file that is not there. */
enum class Absence { is_missed, is_usual };

/* A JSON file of the directory, turned into @T by @convert. */
template <typename T, typename Json, typename Convert>
std::optional<T> load_json(const fs::path& directory, const std::string& name, Absence absence,
                           RunDir& run, Convert convert) {
    std::error_code none;

    if (!fs::exists(directory / name, none)) {
        if (absence == Absence::is_missed)
            run.missing.push_back(name + ": not in the run directory");
        return std::nullopt;
    }

    std::ifstream file(directory / name);

    try {
        if (!file)
            throw std::system_error(errno, std::generic_category(), "cannot be read");
        return convert(Json::parse(file));
    } catch (const typename Json::parse_error& error) {
        note_damage(run, name, "malformed JSON at byte " + std::to_string(error.byte));
    } catch (const std::system_error& error) {
        note_damage(run, name, error.what());
    } catch (const std::exception& error) {
        note_damage(run, name, std::string("not what results/schema.md says: ") + error.what());
    }
    return std::nullopt;
}

testexp::Facts parse_facts(const ordered_json& object) {
    testexp::Facts facts;

    if (!object.is_object())
        throw std::invalid_argument("no object");
    for (const auto& [name, value] : object.items())
        facts.emplace_back(name, value.get<std::string>());
    return facts;
}

/* What the run itself said it could not do comes first. */
void load_missing(const fs::path& path, RunDir& run) {
    std::ifstream file(path);

    for (std::string line; std::getline(file, line);) {
        if (!line.empty())
            run.missing.push_back(line);
    }
}

/* What could not be looked at is missing, although the file is there. */
void note_unjudged(const std::string& what, const LogVerdict& log, RunDir& run) {
    if (!log.is_judged)
        run.missing.push_back(what + ": not judged: " + log.why);
}

/* A tracer that was stopped has not seen, or not told, all. */
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

RunDir load_run_dir(const fs::path& directory) {
    constexpr Absence missed = Absence::is_missed;
    constexpr Absence usual = Absence::is_usual;
    RunDir run;

    if (!fs::is_directory(directory))
        throw std::runtime_error(directory.string() + ": no such directory");

    const auto facts = [&](const char* name, Absence absence) {
        return load_json<testexp::Facts, ordered_json>(directory, name, absence, run, parse_facts);
    };
    const auto bench = [&](const char* name) {
        return load_json<Bench, json>(directory, name, missed, run, parse_bench);
    };

    load_missing(directory / "missing.txt", run);
    run.environment = facts("env.json", missed);
    run.environment_after = facts("env-after.json", usual);
    run.tests =
        load_json<SelfTests, json>(directory, "ktap/tests.json", missed, run, parse_self_tests);
    run.bench = bench("bench.json");
    run.icount = bench("bench-icount.json");
    run.contention = bench("bench-contention.json");
    run.probe_cost = bench("probe-icount.json");
    run.latency = load_json<std::vector<testexp::NamedHistogram>, json>(directory, "latency.json",
                                                                        missed, run, parse_latency);
    if (run.latency)
        note_cuts(*run.latency, run);
    run.kernel_log =
        load_json<LogVerdict, json>(directory, "kernel-log.json", missed, run, parse_log_verdict);
    run.regression =
        load_json<Regression, json>(directory, "regression.json", usual, run, parse_regression);
    run.mutants = load_json<Mutants, json>(directory, "mutants.json", usual, run, parse_mutants);
    run.perf = load_json<Perf, json>(directory, "perf.json", usual, run, parse_perf);
    if (run.tests) {
        note_unjudged("kernel log of the self-tests", run.tests->kernel_log, run);
        if (run.tests->has_lost_leaks)
            run.missing.emplace_back("leaks of memory: not judged: kmemleak is switched off");
    }
    if (run.kernel_log)
        note_unjudged("kernel log", *run.kernel_log, run);
    return run;
}

} // namespace report
