// SPDX-License-Identifier: GPL-2.0
/*
 * Turns a run directory into summary.txt and report.html, which go into the
 * same directory. Parts that are not there are named in both.
 */
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "chart.hpp"
#include "html.hpp"
#include "output_file.hpp"
#include "run_dir.hpp"
#include "sections.hpp"
#include "text.hpp"

namespace {

namespace fs = std::filesystem;

/* Draws, and remembers the first reason why not. */
struct Artist {
    std::string problem;

    testexp::Result<std::string> operator()(const report::Chart& chart) {
        testexp::Result<std::string> svg = report::draw_svg(chart);

        if (!svg && problem.empty())
            problem = svg.error().what;
        return svg;
    }
};

/* Returns what is wrong with the report, a line each. */
std::vector<std::string> make_report(const fs::path& directory) {
    report::RunDir run = report::load_run_dir(directory);
    const report::Document document = report::make_document(run);
    std::vector<std::string> problems;
    Artist artist;

    (void)testexp::write_file(directory / "summary.txt", report::to_text(document)).value();
    (void)testexp::write_file(directory / "report.html",
                              report::to_html(document, std::ref(artist)))
        .value();
    for (const std::string& damage : run.damaged)
        problems.push_back("left out, as it is damaged: " + damage);
    if (!artist.problem.empty())
        problems.push_back("the report has no charts: " + artist.problem);
    return problems;
}

int run_program(int argc, char** argv) {
    CLI::App app("Writes summary.txt and report.html into a run directory of scripts/run.");
    std::string directory;

    app.add_option("RUN_DIR", directory, "what scripts/run --out has filled")->required();
    app.footer("Exit status: 0, or 1 when there is no report, or when the report lacks its charts "
               "or the content of a damaged file.");
    try {
        app.parse(argc, argv);

        const std::vector<std::string> problems = make_report(directory);

        for (const std::string& problem : problems)
            fmt::print(stderr, "results_report: {}\n", problem);
        return problems.empty() ? 0 : 1;
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        fmt::print(stderr, "results_report: {}; see --help\n", error.what());
    }
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run_program(argc, argv);
    } catch (const std::exception& error) {
        /* no fmt here: it may throw too */
        std::fprintf(stderr, "results_report: %s\n", error.what());
        return 1;
    }
}
