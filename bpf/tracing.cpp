// SPDX-License-Identifier: GPL-2.0
#include "tracing.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "command.hpp"
#include "output_file.hpp"

namespace latency {
namespace {

using testexp::Result;

/* The file for the histograms, and the histograms that it already holds. */
struct Destination {
    std::optional<testexp::OutputFile> file; /* none: nowhere */
    Histograms old;
};

/* Opened before the first measurement, so that no measurement is lost. */
Result<Destination> open_destination(const TraceOptions& options) {
    Destination destination;

    if (options.out.empty())
        return destination;
    auto file = testexp::OutputFile::open(options.out);
    if (!file)
        return file.error();
    auto old = options.append ? read_histograms(options.out) : Histograms{};
    if (!old)
        return old.error();
    destination.file.emplace(std::move(file).value());
    destination.old = std::move(old).value();
    return destination;
}

bool write(Destination& destination, const Histograms& taken) {
    Histograms& all = destination.old;

    if (!destination.file)
        return true;
    all.insert(all.end(), taken.begin(), taken.end());
    const auto written = destination.file->commit(json_text(all));
    if (!written)
        complain(written.error().what);
    return static_cast<bool>(written);
}

/* Waits until the traced command or process ends. Returns the exit status. */
int wait_for_target(const TraceOptions& options, const std::string& what) {
    if (!options.command.empty()) {
        const auto status = run_command(options.command);
        if (status)
            return status.value();
        complain(status.error().what);
        return status.code() == ENOENT ? 127 : 126;
    }

    complain(fmt::format("tracing {}{}; Ctrl-C ends it", what,
                         options.duration_s ? fmt::format(" for {} s", *options.duration_s) : ""));
    std::optional<std::chrono::duration<double>> duration;
    if (options.duration_s)
        duration.emplace(*options.duration_s);
    const End end = wait_for(duration, options.filter_pid, [](std::chrono::seconds elapsed) {
        complain(fmt::format("tracing, {} s elapsed", elapsed.count()));
    });
    if (end == End::process)
        complain(fmt::format("process {} has ended", options.filter_pid));
    return 0;
}

} // namespace

void declare(CLI::App& app, TraceOptions& options) {
    app.footer("Traces all processes until COMMAND ends (its status is passed on), for --duration, "
               "until the\n"
               "process of --filter-pid ends, or until Ctrl-C. Tables go to standard error. Exit "
               "status 1: nothing\n"
               "could be traced or written. A function that the kernel has and that could not be "
               "traced is named, and\n"
               "the file of --out says why in a label \"cut\".\n"
               "lost: probe hits that were dropped. unmatched: beginnings without end, ends "
               "without beginning.");
    app.add_option("--out", options.out, "Write the histograms to this file (latency.json)");
    app.add_flag("--append", options.append,
                 "Keep the histograms that the file of --out already has")
        ->needs("--out");
    app.add_option("--filter-pid", options.filter_pid, "Only calls of this process")
        ->check(CLI::Range(1, 4194304)); /* Linux has no larger PIDs */
    app.add_option_function<std::string>(
           "--mode", [&options](const std::string& name) { options.mode = mode_named(name); },
           "auto (fentry, else kprobe; locks: else tracepoint), fentry, kprobe, or tracepoint "
           "(Linux 7.3: what the kernel's own tracepoints tell, without a probe on any function)")
        ->check(CLI::IsMember({"auto", "fentry", "kprobe", "tracepoint"}));
    declare_end(app, options);
}

void declare_end(CLI::App& app, TraceOptions& options) {
    app.add_option("--duration", options.duration_s, "Trace for this many seconds")
        ->check(CLI::Range(0.001, 1e6));
    app.add_flag("--verbose", options.verbose, "Print the messages of libbpf");
}

void check(const TraceOptions& options) {
    if (!options.command.empty() && (options.duration_s || options.filter_pid))
        throw CLI::ValidationError("--", "a command excludes --duration and --filter-pid");
    if (options.duration_s && std::isnan(*options.duration_s)) /* which CLI::Range lets pass */
        throw CLI::ValidationError("--duration", "nan is no number of seconds");
    if (options.filter_pid && kill(options.filter_pid, 0) && errno == ESRCH)
        throw CLI::ValidationError("--filter-pid",
                                   fmt::format("no process {}", options.filter_pid));
}

int trace(const TraceOptions& options, const Tracer& tracer) {
    set_verbose(options.verbose);
    if (const auto why = why_unusable()) {
        complain(*why);
        return 1;
    }
    block_signals();

    auto destination = open_destination(options);
    if (!destination) {
        complain(destination.error().what);
        return 1;
    }
    if (const auto started = tracer.start(); !started) {
        complain(started.error().what);
        return 1;
    }
    const auto environment = current_environment();
    const int status = wait_for_target(options, tracer.what);
    auto taken = tracer.finish(environment);
    if (taken && !options.command.empty())
        for (testexp::NamedHistogram& histogram : *taken)
            histogram.labels["during"] = std::filesystem::path(options.command[0]).filename();
    const bool written = write(destination.value(), taken.value_or(Histograms{}));

    return status == 0 && !(taken && written) ? 1 : status;
}

void complain(const std::string& what) {
    fmt::print(stderr, "dmabuf-lat: {}\n", what);
}

} // namespace latency
