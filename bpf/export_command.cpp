// SPDX-License-Identifier: GPL-2.0
/*
 * dmabuf-lat export: histograms of dmabuf-lat or bpftrace in other formats. Needs neither
 * root nor a special kernel.
 */
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

#include "bpftrace_json.hpp"
#include "formats.hpp"
#include "output_file.hpp"
#include "subcommands.hpp"
#include "tracing.hpp"

namespace latency {
namespace {

using testexp::Result;

struct Options {
    std::string input = "-";
    std::string from = "latency";
    std::string to = "text";
    std::string out; /* empty: standard output */
    bool append = false;
    bool was_stopped = false; /* bpftrace */
    std::vector<std::string> names;
};

struct Format {
    const char* name;
    std::string (*text)(std::span<const testexp::NamedHistogram>);
};

const Format formats[] = {
    {"json", json_text},
    {"text", table},
    {"csv", csv_text},
    {"openmetrics", openmetrics_text},
};

Result<Traces> read_input(const Options& options, std::istream& input) {
    std::ostringstream text;
    text << input.rdbuf();
    std::istringstream lines(text.str());

    if (options.from == "bpftrace")
        return from_bpftrace(lines, options.names, current_environment(), options.was_stopped);

    auto histograms =
        parse_histograms(lines, options.input == "-" ? "standard input" : options.input);
    if (!histograms)
        return histograms.error();
    return Traces{std::move(histograms).value(), {}};
}

Result<Traces> read_input(const Options& options) {
    if (options.input == "-")
        return read_input(options, std::cin);
    std::ifstream file(options.input);
    if (!file)
        return testexp::errno_error("cannot read " + options.input);
    return read_input(options, file);
}

testexp::Status print(const std::string& text) {
    if (std::fputs(text.c_str(), stdout) == EOF || std::fflush(stdout) == EOF)
        return testexp::errno_error("cannot write to standard output");
    return std::monostate{};
}

int failed(const testexp::Error& error) {
    complain(error.what);
    return 1;
}

int run_export(const Options& options) {
    if ((options.from == "bpftrace") == options.names.empty())
        throw CLI::ValidationError("--name", "goes with --from bpftrace, and only with it");
    if (options.was_stopped && options.from != "bpftrace")
        throw CLI::ValidationError("--stopped", "goes with --from bpftrace only");
    if (options.append && (options.to != "json" || options.out.empty()))
        throw CLI::ValidationError("--append", "goes with --to json and --out only");

    const auto taken = read_input(options);
    if (!taken)
        return failed(taken.error());
    const auto& [measured, problems] = taken.value();
    for (const std::string& problem : problems)
        complain(problem);
    if (measured.empty() && !problems.empty())
        return 1;
    auto histograms = options.append ? read_histograms(options.out) : Histograms{};
    if (!histograms)
        return failed(histograms.error());
    Histograms& all = histograms.value();
    all.insert(all.end(), measured.begin(), measured.end());

    const std::string text = std::ranges::find(formats, options.to, &Format::name)->text(all);
    const auto written = options.out.empty() ? print(text) : testexp::write_file(options.out, text);
    if (!written)
        return failed(written.error());
    return problems.empty() ? 0 : 1;
}

} // namespace

void add_export(CLI::App& app, const std::vector<std::string>&, Run& run) {
    const auto options = std::make_shared<Options>();
    CLI::App* sub = app.add_subcommand("export", "Histograms in other formats");
    std::vector<std::string> names;

    for (const Format& format : formats)
        names.emplace_back(format.name);
    sub->footer(
        "If bpftrace was stopped, the complete histograms are written, and the exit status is 1. "
        "Every format has the number of lost events. A timeline for Perfetto is made while "
        "tracing: locks --timeline.");
    sub->add_option("FILE", options->input, "What to read; - is standard input")
        ->capture_default_str();
    sub->add_option("--from", options->from, "latency (latency.json) or bpftrace (-f json)")
        ->check(CLI::IsMember({"latency", "bpftrace"}))
        ->capture_default_str();
    sub->add_option("--name", options->names,
                    "What bpftrace measured; repeated in the order of the script's numbers")
        ->allow_extra_args(false);
    sub->add_flag("--stopped", options->was_stopped,
                  "bpftrace was stopped: lines may be missing, even if the last one is whole");
    sub->add_option("--to", options->to, "text, json, csv or openmetrics")
        ->check(CLI::IsMember(names))
        ->capture_default_str();
    sub->add_option("--out", options->out, "Write it to this file instead of standard output");
    sub->add_flag("--append", options->append,
                  "Keep the histograms that the file of --out already has");
    sub->callback([options, &run] { run = [options] { return run_export(*options); }; });
}

} // namespace latency
