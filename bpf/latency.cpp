// SPDX-License-Identifier: GPL-2.0
/*
 * Histograms the latency of the dma-buf functions that resolve PFNs, beside those
 * that map, while a command runs. Needs root; the module may be missing.
 */
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "output_file.hpp"
#include "probe.hpp"
#include "report.hpp"
#include "testexp.hpp"

namespace {

using latency::Histograms;
using latency::Mode;
using latency::OutputFile;
using latency::Probe;

/* What is traced. A function to add is a row to add. */
struct Target {
    const char* function = nullptr;
    /* Where the module says what the function is called on this kernel. */
    char (testexp_info::*symbol)[TESTEXP_SYMBOL_LEN] = nullptr;
};

constexpr Target targets[] = {
    {"dma_buf_get_pfn", &testexp_info::get_pfn_symbol},
    {"dma_buf_get_pfn_unlocked", &testexp_info::get_pfn_unlocked_symbol},
    {"dma_buf_map_attachment"},
    {"dma_buf_map_attachment_unlocked"},
    {"dma_buf_unmap_attachment"},
    {"dma_buf_unmap_attachment_unlocked"},
};

struct Options {
    std::string out;
    bool append = false;
    std::optional<double> duration_s;
    pid_t filter_pid = 0;
    std::optional<Mode> mode; /* none: what works */
    std::vector<std::string> functions;
    bool list = false;
    bool verbose = false;
    std::vector<std::string> command;
};

void complain(const std::string& what) {
    fmt::print(stderr, "latency: {}\n", what);
}

std::vector<std::string> default_functions() {
    const auto device = testexp::Device::open();
    std::vector<std::string> names;

    for (const Target& target : targets)
        names.emplace_back(device && target.symbol ? device.value().info().*target.symbol
                                                   : target.function);
    return names;
}

/* Everything after "--" is the command, options of its own included. */
std::vector<std::string> split_command(int& argc, char** argv) {
    for (int i = 1; i < argc; i++) {
        if (std::string_view(argv[i]) != "--")
            continue;
        std::vector<std::string> command(argv + i + 1, argv + argc);
        argc = i;
        if (command.empty())
            throw CLI::ValidationError("--", "no command behind it");
        return command;
    }
    return {};
}

void declare(CLI::App& app, Options& options) {
    app.footer("Traces all processes until COMMAND ends (its status is passed on), for --duration, "
               "or until\n"
               "Ctrl-C. The table goes to standard error. Exit status 1: nothing could be traced "
               "or written.\n"
               "lost: probe hits that were dropped. unmatched: entries without return, returns "
               "without entry.");
    app.add_option("--out", options.out, "Write the histograms to this file (latency.json)");
    app.add_flag("--append", options.append, "Keep the histograms that are in it")->needs("--out");
    app.add_option("--duration", options.duration_s, "Trace for so many seconds")
        ->check(CLI::Range(0.001, 1e6));
    app.add_option("--filter-pid", options.filter_pid, "Only calls of this process")
        ->check(CLI::Range(1, 4194304)); /* Linux has no larger PIDs */
    app.add_option_function<std::string>(
           "--mode",
           [&options](const std::string& name) {
               if (name != "auto")
                   options.mode = name == "fentry" ? Mode::fentry : Mode::kprobe;
           },
           "auto (fentry, else kprobe), fentry or kprobe")
        ->check(CLI::IsMember({"auto", "fentry", "kprobe"}));
    app.add_option("--function", options.functions,
                   "Trace this kernel function instead of the usual ones; may be repeated")
        ->allow_extra_args(false);
    app.add_flag("--list", options.list, "Only print the names of the functions to trace");
    app.add_flag("--verbose", options.verbose, "Print what libbpf has to say");
}

void check(const Options& options) {
    if (!options.command.empty() && (options.duration_s || options.filter_pid))
        throw CLI::ValidationError("--", "a command excludes --duration and --filter-pid");
    if (options.filter_pid && kill(options.filter_pid, 0) && errno == ESRCH)
        throw CLI::ValidationError("--filter-pid",
                                   fmt::format("no process {}", options.filter_pid));
}

/* Probes for all functions that there are; the others are named. */
std::vector<Probe> attach_all(const Options& options) {
    std::vector<Probe> probes;

    for (const std::string& function : options.functions) {
        auto probe = Probe::attach(function, options.mode, options.filter_pid);
        if (probe)
            probes.push_back(std::move(probe).value());
        else
            complain(probe.error().what);
    }
    return probes;
}

/* Waits for what is to be traced; the status for the caller. */
int trace(const Options& options, std::size_t nr_probes) {
    if (!options.command.empty()) {
        const auto status = latency::run_command(options.command);
        if (status)
            return status.value();
        complain(status.error().what);
        return status.code() == ENOENT ? 127 : 126;
    }

    complain(fmt::format("tracing {} functions{}; Ctrl-C ends it", nr_probes,
                         options.duration_s ? fmt::format(" for {} s", *options.duration_s) : ""));
    std::optional<std::chrono::duration<double>> duration;
    if (options.duration_s)
        duration.emplace(*options.duration_s);
    latency::wait_for(duration, [](std::chrono::seconds elapsed) {
        complain(fmt::format("tracing, {} s elapsed", elapsed.count()));
    });
    return 0;
}

Histograms collect(std::vector<Probe>& probes, const testexp::Environment& environment) {
    Histograms histograms;

    for (Probe& probe : probes)
        probe.stop();
    for (const Probe& probe : probes) {
        const auto summary = probe.read();
        if (!summary) {
            complain(summary.error().what);
            continue;
        }
        auto histogram = latency::named(probe.function(), "latency",
                                        std::string(latency::mode_name(probe.mode())), environment);
        histogram.hist = summary.value().hist;
        histogram.lost = summary.value().lost;
        histogram.unmatched = summary.value().unmatched;
        if (!summary.value().lost_is_exact)
            histogram.labels["lost_is"] = "at_least";
        histograms.push_back(std::move(histogram));
    }
    return histograms;
}

int run(const Options& options) {
    latency::set_verbose(options.verbose);
    if (const auto why = latency::why_unusable()) {
        complain(*why);
        return 1;
    }
    latency::block_signals();

    std::optional<OutputFile> file;
    Histograms histograms;
    if (!options.out.empty()) {
        auto opened = OutputFile::open(options.out);
        auto old = options.append ? latency::read_histograms(options.out) : Histograms{};
        if (!opened || !old) {
            complain(opened ? old.error().what : opened.error().what);
            return 1;
        }
        file.emplace(std::move(opened).value());
        histograms = std::move(old).value();
    }

    std::vector<Probe> probes = attach_all(options);
    if (probes.empty()) {
        complain("nothing to trace; --list prints the functions, --verbose says more");
        return 1;
    }
    const auto environment = latency::current_environment();
    const int status = trace(options, probes.size());
    const Histograms taken = collect(probes, environment);

    fmt::print(stderr, "{}", latency::table(taken, environment.clock));
    histograms.insert(histograms.end(), taken.begin(), taken.end());
    bool complete = taken.size() == probes.size();
    if (file) {
        if (const auto written = file->commit(latency::json_text(histograms)); !written) {
            complain(written.error().what);
            complete = false;
        }
    }
    return status == 0 && !complete ? 1 : status;
}

int run_main(int argc, char** argv) {
    CLI::App app("Histograms the latency of dma-buf functions of the running kernel:\n"
                 "latency [OPTIONS] [-- COMMAND...]",
                 "latency");
    Options options;

    declare(app, options);
    try {
        options.command = split_command(argc, argv);
        app.parse(argc, argv);
        check(options);
    } catch (const CLI::Success& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& wrong) {
        complain(fmt::format("{}; --help lists the options", wrong.what()));
        return 2;
    }

    if (options.functions.empty())
        options.functions = default_functions();
    if (!options.list)
        return run(options);
    for (const std::string& function : options.functions)
        fmt::print("{}\n", function);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run_main(argc, argv);
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "latency: %s\n", problem.what());
        return 1;
    }
}
