/* SPDX-License-Identifier: GPL-2.0 */
/* A run directory, as scripts/run leaves it; see schema.md. */
#pragma once

#include <cerrno>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <nlohmann/json.hpp>

#include "bench.hpp"
#include "environment.hpp"
#include "hist_json.hpp"
#include "log_verdict.hpp"
#include "self_tests.hpp"

namespace report {

/*
 * What several sections of the report need. A file that only one section needs is read by
 * that section, with read_part(). Every part may be absent. Then @missing names the file,
 * unless few runs have such a file. A damaged file counts as absent and as a failure: what
 * nobody can read may have been a failure.
 */
struct RunDir {
    std::filesystem::path path;
    std::optional<testexp::Facts> environment;
    std::optional<testexp::Facts> environment_after; /* after the last measurement */
    std::optional<SelfTests> tests;
    std::optional<Bench> bench;
    std::optional<Bench> icount;
    std::optional<Bench> probe_cost;
    std::optional<Bench> contention;
    std::optional<std::vector<testexp::NamedHistogram>> latency;
    std::optional<LogVerdict> kernel_log;
    std::vector<std::string> missing; /* "what: why" */
    std::vector<std::string> damaged; /* "file: why" */
};

/* Reads what is there. Throws std::runtime_error with one line when there is no such directory. */
RunDir load_run_dir(const std::filesystem::path& directory);

/* The benchmark passes that are there. */
std::vector<const Bench*> benches(const RunDir& run);

/* A fact of env.json or of a benchmark's context, or "unknown". */
std::string fact(const RunDir& run, const std::string& name);

/* Whether a run without the file is incomplete. */
enum class Absence { is_missed, is_usual };

void note_damage(RunDir& run, const std::string& name, const std::string& why);

/**
 * A JSON file of the directory, turned into @T by @convert, which throws when the file is not
 * what schema.md says. Nothing when the file is absent or damaged; @run then says so.
 */
template <typename T, typename Json = nlohmann::json, typename Convert>
std::optional<T> read_part(RunDir& run, const std::string& name, Absence absence, Convert convert) {
    std::error_code none;

    if (!std::filesystem::exists(run.path / name, none)) {
        if (absence == Absence::is_missed)
            run.missing.push_back(name + ": not in the run directory");
        return std::nullopt;
    }

    std::ifstream file(run.path / name);

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

} // namespace report
