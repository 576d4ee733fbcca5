/* SPDX-License-Identifier: GPL-2.0 */
/* What every benchmark program is beside its cases: arguments, refusals, context, verdict. */
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "environment.hpp"
#include "testexp.hpp"

namespace bench {

struct Options {
    std::string preset;
    bool force = false;
    int repetitions = 1; /* in one process */
    int processes = 1;
    std::string out;
    std::vector<std::string> exporters; /* as the user wrote them */
};

struct Program {
    const char* name;
    const char* about;                /* one sentence, for --help */
    const char* about_presets;        /* how they differ; nullptr when there is only one */
    std::vector<const char*> presets; /* the first is "quick", the second is the default */
    /*
     * Registers the cases that the options ask for with Google Benchmark. @device outlives them. An
     * error ends the program before anything is measured.
     */
    std::function<testexp::Status(const Options& options, const testexp::Device& device,
                                  const testexp::Environment& environment)>
        register_cases;
    bool takes_exporters = false; /* has the option --exporter */
};

/* What names the test exporter in Options::exporters. */
inline constexpr const char* test_exporter = "testexp";

/* All of main(). Returns the exit status. */
int run_program(const Program& program, int argc, char** argv);

} // namespace bench
