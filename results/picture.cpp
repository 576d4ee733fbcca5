// SPDX-License-Identifier: GPL-2.0
/*
 * Draws the picture of the README from a reference file: how many instructions it
 * takes to resolve all pages of a 32 MiB buffer, by path and by order of extents.
 */
#include <array>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "chart.hpp"
#include "output_file.hpp"
#include "reference.hpp"

namespace {

namespace fs = std::filesystem;

constexpr int buffer_bytes = 32 << 20;
constexpr int buffer_pages = buffer_bytes / 4096;
constexpr std::array orders = {0, 4, 9, 10};

/*
 * The order of the curves. gnuplot's fifth colour is the palest, so the fifth path is one that
 * the README does not compare.
 */
constexpr std::array paths = {"follow_pfnmap_pte", "get_pfn",       "get_pfn_stride",
                              "sgt_map",           "get_pfn_batch", "phys_list"};

report::Counts read_reference(const fs::path& path) {
    std::ifstream file(path);

    if (!file)
        throw std::runtime_error("cannot read " + path.string());
    try {
        return report::parse_reference(nlohmann::json::parse(file));
    } catch (const std::exception& error) {
        throw std::runtime_error(path.string() + ": " + error.what());
    }
}

/* Instructions to resolve every page of the buffer. */
double whole_buffer(const report::Counts& counts, const char* path, int order) {
    const std::string name =
        fmt::format("resolve/path:{}/size:{}/order:{}", path, buffer_bytes, order);
    const auto found = counts.cases.find(name);

    if (found == counts.cases.end() || !found->second.contains("pages_per_op"))
        throw std::runtime_error("the reference has no pages of " + name);
    return found->second.at("per_op") * buffer_pages / found->second.at("pages_per_op");
}

report::Chart make_chart(const report::Counts& counts) {
    report::Chart chart{
        .title = "Instructions to resolve all pages of a 32 MiB buffer",
        .x = {.label = "order of the buffer's extents (2^order pages each)", .from = 0},
        .y = {.label = "guest instructions (icount), not time", .log_base = 10},
        .series = {}};

    for (const char* path : paths) {
        report::Series series{path, {}};

        for (const int order : orders)
            series.points.emplace_back(order, whole_buffer(counts, path, order));
        chart.series.push_back(series);
    }
    return chart;
}

/* A comment with the drawn figures. A test reads it, because gnuplot's coordinates differ
 * between versions. */
std::string figures(const report::Counts& counts, const report::Chart& chart) {
    std::string text = fmt::format("<!-- Linux {}, {}; drawn by results_picture\n",
                                   counts.context.at("kernel"), counts.context.at("compiler"));

    for (const report::Series& series : chart.series) {
        text += series.name + ":";
        for (const auto& [order, instructions] : series.points)
            text += fmt::format(" {}={:.0f}", order, instructions);
        text += "\n";
    }
    return text + "-->\n";
}

void draw(const fs::path& reference, const fs::path& picture) {
    const report::Counts counts = read_reference(reference);
    const report::Chart chart = make_chart(counts);
    const std::string svg = report::draw_svg(chart).value();

    (void)testexp::write_file(picture, figures(counts, chart) + svg + "\n").value();
}

int run_program(int argc, char** argv) {
    CLI::App app("Draws docs/cost.svg, the picture of the README, from a reference file.");
    std::string reference;
    std::string picture;

    app.add_option("REFERENCE", reference, "results/reference/icount-6.12.json")->required();
    app.add_option("SVG", picture, "the file to write")->required();
    try {
        app.parse(argc, argv);
        draw(reference, picture);
        return 0;
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        fmt::print(stderr, "results_picture: {}; see --help\n", error.what());
    }
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run_program(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "results_picture: {}\n", error.what());
    }
    return 1;
}
