// SPDX-License-Identifier: GPL-2.0
/*
 * Turns the output of latency.bt under `bpftrace -f json` into the histograms and
 * the table of the latency tool.
 */
#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "bpftrace_json.hpp"
#include "output_file.hpp"

namespace {

using latency::Histograms;
using latency::OutputFile;

struct Options {
    std::string out;
    bool append = false;
    std::vector<std::string> functions;
};

int complain(const std::string& what, int status) {
    fmt::print(stderr, "bt2json: {}\n", what);
    return status;
}

void declare(CLI::App& app, Options& options) {
    app.footer("Reads standard input. The table goes to standard error.");
    app.add_option("--out", options.out, "Write the histograms to this file (latency.json)");
    app.add_flag("--append", options.append, "Keep the histograms that are in it")->needs("--out");
    app.add_option(
           "--function", options.functions,
           "What was traced; repeated in the order of the numbers that latency.bt was given")
        ->required()
        ->allow_extra_args(false);
}

int run(const Options& options) {
    const auto environment = latency::current_environment();
    const auto taken = latency::from_bpftrace(std::cin, options.functions, environment);
    if (!taken)
        return complain(taken.error().what, 1);
    fmt::print(stderr, "{}", latency::table(taken.value(), environment.clock));
    if (options.out.empty())
        return 0;

    auto histograms = options.append ? latency::read_histograms(options.out) : Histograms{};
    if (!histograms)
        return complain(histograms.error().what, 1);
    Histograms& all = histograms.value();
    all.insert(all.end(), taken.value().begin(), taken.value().end());

    auto file = OutputFile::open(options.out);
    if (!file)
        return complain(file.error().what, 1);
    const auto written = file.value().commit(latency::json_text(all));
    return written ? 0 : complain(written.error().what, 1);
}

int run_main(int argc, char** argv) {
    CLI::App app("Turns the output of `bpftrace -f json latency.bt` into latency.json.", "bt2json");
    Options options;

    declare(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& wrong) {
        return complain(fmt::format("{}; --help lists the options", wrong.what()), 2);
    }
    return run(options);
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run_main(argc, argv);
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "bt2json: %s\n", problem.what());
        return 1;
    }
}
