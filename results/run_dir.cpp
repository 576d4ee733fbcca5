// SPDX-License-Identifier: GPL-2.0
#include "run_dir.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace report {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const std::string& why) {
    throw std::runtime_error(path.string() + ": " + why);
}

/* The file, opened; nothing if there is none, which is noted in @run. */
std::optional<std::ifstream> open_part(const fs::path& path, RunDir& run) {
    if (!fs::exists(path)) {
        run.missing.push_back(path.filename().string() + ": not in the run directory");
        return std::nullopt;
    }

    std::ifstream file(path);

    if (!file)
        fail(path, std::generic_category().message(errno));
    return file;
}

/* A JSON file of the directory, turned into @T by @convert. */
template <typename T, typename Json, typename Convert>
std::optional<T> load_json(const fs::path& path, RunDir& run, Convert convert) {
    auto file = open_part(path, run);

    if (!file)
        return std::nullopt;
    try {
        return convert(Json::parse(*file));
    } catch (const typename Json::parse_error& error) {
        fail(path, "malformed JSON at byte " + std::to_string(error.byte));
    } catch (const std::exception& error) {
        fail(path, std::string("not what results/schema.md says: ") + error.what());
    }
}

testexp::Facts parse_facts(const ordered_json& object) {
    testexp::Facts facts;

    for (const auto& [name, value] : object.items())
        facts.emplace_back(name, value.get<std::string>());
    return facts;
}

void load_tests(const fs::path& directory, RunDir& run) {
    std::vector<fs::path> files;
    std::error_code error;

    for (const auto& entry : fs::directory_iterator(directory, error)) {
        if (entry.path().extension() == ".ktap")
            files.push_back(entry.path());
    }
    if (files.empty())
        run.missing.push_back("self-tests: no ktap/*.ktap in the run directory");
    std::ranges::sort(files);
    for (const fs::path& path : files) {
        std::ifstream file(path);

        run.tests.push_back(parse_ktap(path.stem(), file));
    }
}

/* What the run itself said it could not do comes first. */
void load_missing(const fs::path& path, RunDir& run) {
    std::ifstream file(path);

    for (std::string line; std::getline(file, line);) {
        if (!line.empty())
            run.missing.push_back(line);
    }
}

} // namespace

RunDir load_run_dir(const fs::path& directory) {
    RunDir run;

    if (!fs::is_directory(directory))
        fail(directory, "no such directory");

    load_missing(directory / "missing.txt", run);
    run.environment =
        load_json<testexp::Facts, ordered_json>(directory / "env.json", run, parse_facts);
    if (fs::exists(directory / "env-after.json"))
        run.environment_after =
            load_json<testexp::Facts, ordered_json>(directory / "env-after.json", run, parse_facts);
    load_tests(directory / "ktap", run);
    run.bench = load_json<Bench, json>(directory / "bench.json", run, parse_bench);
    run.icount = load_json<Bench, json>(directory / "bench-icount.json", run, parse_bench);
    run.contention = load_json<Bench, json>(directory / "bench-contention.json", run, parse_bench);
    run.latency = load_json<std::vector<testexp::NamedHistogram>, json>(
        directory / "latency.json", run,
        [](const json& list) { return list.get<std::vector<testexp::NamedHistogram>>(); });
    if (fs::exists(directory / "probe-icount.json"))
        run.probe_cost = load_json<Bench, json>(directory / "probe-icount.json", run, parse_bench);
    if (auto log = open_part(directory / "dmesg.txt", run))
        run.kernel_log = parse_kernel_log(*log);
    if (fs::exists(directory / "regression.json"))
        run.regression =
            load_json<Regression, json>(directory / "regression.json", run, parse_regression);
    if (fs::exists(directory / "mutants.json"))
        run.mutants = load_json<Mutants, json>(directory / "mutants.json", run, parse_mutants);
    if (fs::exists(directory / "perf.json"))
        run.perf = load_json<Perf, json>(directory / "perf.json", run, parse_perf);
    return run;
}

} // namespace report
