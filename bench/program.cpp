// SPDX-License-Identifier: GPL-2.0
#include "program.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>
#include <set>
#include <utility>

#include <CLI/CLI.hpp>
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "foreign_buffer.hpp"
#include "output_file.hpp"
#include "processes.hpp"
#include "reporter.hpp"
#include "signals.hpp"

namespace bench {

namespace {

using testexp::Result;

int complain(const Program& program, const std::string& what) {
    fmt::print(stderr, "{}: {}\n", program.name, what);
    return 1;
}

/* Debug options make locks and allocations many times dearer, so their numbers are useless. */
bool distorts(const std::string& option) {
    return option == "lockdep" || option == "kasan";
}

void add_context(const testexp::Environment& environment, const Options& options, bool forced) {
    for (const auto& [name, value] : environment.facts())
        benchmark::AddCustomContext(name, value);
    benchmark::AddCustomContext("preset", options.preset);
    if (forced)
        benchmark::AddCustomContext("forced_debug", "1");
}

int verdict(const Program& program, const Tally& tally) {
    if (!tally.is_empty())
        fmt::print("{} measured, {} not measurable here, {} failed\n", tally.measured,
                   tally.skipped, tally.failed);
    if (caught_signal() != 0) {
        complain(program,
                 fmt::format("interrupted; {} cases were not measured", tally.interrupted));
        return 128 + caught_signal();
    }
    return tally.status();
}

int run(const Program& program, const Options& options) {
    if (std::ranges::find(program.presets, options.preset) == program.presets.end())
        return complain(program, fmt::format("no preset {}; say {}", options.preset,
                                             fmt::join(program.presets, ", ")));

    const Result<testexp::Device> device = testexp::Device::open();

    if (!device)
        return complain(program, device.error().what);
    if (device.value().info().clock_khz == 0)
        return complain(program, "the module does not know the frequency of its clock");

    const testexp::Environment environment = testexp::read_environment(device.value().info());
    const bool debug = std::ranges::any_of(environment.debug_options, distorts);

    if (debug && !options.force)
        return complain(program,
                        "this kernel has debug options on that distort all costs; boot another "
                        "kernel, or say --force to get numbers that are marked");

    Reporter reporter(environment.unit);

    if (!options.out.empty()) {
        if (const auto opened = reporter.open(options.out); !opened)
            return complain(program, opened.error().what);
    }

    add_context(environment, options, debug);
    if (const auto registered = program.register_cases(options, device.value(), environment);
        !registered)
        return complain(program, registered.error().what);
    catch_signals();
    fmt::print("clock {}, unit {}, kernel {}, api {}\n", environment.clock, environment.unit,
               environment.kernel, environment.api);

    if (benchmark::RunSpecifiedBenchmarks(&reporter) == 0)
        return complain(program, "no case matches --benchmark_filter");
    if (const auto written = reporter.close(); !written)
        return complain(program, written.error().what);
    return verdict(program, reporter.tally());
}

/* Gives @arguments to the library; returns the first that it does not know, or "". */
std::string initialize_library(char* program, std::vector<std::string> arguments) {
    std::vector<char*> argv = {program};

    for (std::string& argument : arguments)
        argv.push_back(argument.data());

    int argc = static_cast<int>(argv.size());

    argv.push_back(nullptr);
    benchmark::Initialize(&argc, argv.data());
    return argc > 1 ? argv[1] : "";
}

constexpr const char* random_order = "--benchmark_enable_random_interleaving=true";

std::vector<std::string> library_arguments(const CLI::App& app, const Options& options) {
    std::vector<std::string> arguments = app.remaining();

    if (options.repetitions > 1) {
        arguments.push_back(fmt::format("--benchmark_repetitions={}", options.repetitions));
        arguments.emplace_back(random_order);
    }
    return arguments;
}

/* This program again, for one process of several. Each has an order of its own. */
std::vector<std::string> process_arguments(const Program& program, const CLI::App& app,
                                           const Options& options) {
    std::vector<std::string> arguments = {"/proc/self/exe", "--repetitions",
                                          std::to_string(options.repetitions)};
    const std::vector<std::string> remaining = app.remaining();

    if (program.presets.size() > 1)
        arguments.insert(arguments.end(), {"--preset", options.preset});
    if (options.force)
        arguments.emplace_back("--force");
    for (const std::string& exporter : options.exporters)
        arguments.insert(arguments.end(), {"--exporter", exporter});
    arguments.emplace_back(random_order);
    arguments.insert(arguments.end(), remaining.begin(), remaining.end());
    return arguments;
}

/*
 * Keeps the results of the processes that came to their end. An interrupted process adds nothing to
 * the results.
 */
int run_processes(const Program& program, const Options& options,
                  const std::vector<std::string>& arguments) {
    std::optional<testexp::OutputFile> file;
    std::vector<std::string> texts;
    int status = nothing_measured;

    if (!options.out.empty()) {
        auto opened = testexp::OutputFile::open(options.out);

        if (!opened)
            return complain(program, opened.error().what);
        file.emplace(std::move(opened).value());
    }
    catch_signals();
    for (int process = 1; process <= options.processes; process++) {
        fmt::print("process {} of {}\n", process, options.processes);
        std::fflush(stdout);

        Result<ProcessEnd> end = run_process(arguments);

        if (!end)
            return complain(program, end.error().what);
        if (caught_signal() != 0)
            break;
        if (end.value().text.empty())
            return complain(program,
                            fmt::format("process {} of {} ended with status {} and no results; "
                                        "nothing was written",
                                        process, options.processes, end.value().status));
        status = merge_statuses(status, end.value().status);
        texts.push_back(std::move(end.value().text));
    }
    if (file && !texts.empty()) {
        const Result<std::string> merged = merge_processes(texts);

        if (!merged)
            return complain(program, merged.error().what);
        if (const testexp::Status written = file->commit(merged.value()); !written)
            return complain(program, written.error().what);
    }
    if (caught_signal() == 0)
        return status;
    complain(program, fmt::format("interrupted; {} of {} processes have measured", texts.size(),
                                  options.processes));
    return 128 + caught_signal();
}

void declare_presets(CLI::App& app, const Program& program, Options& options) {
    const auto take_quick = [&options] { options.preset = "quick"; };

    app.add_option("--preset", options.preset, program.about_presets)
        ->type_name("NAME")
        ->capture_default_str();
    app.add_flag_callback("--quick", take_quick, "--preset quick");
}

/* The name of the exporter, which is in the names of its cases. Throws what CLI11 shows. */
std::string case_exporter(const std::string& text) {
    const auto spec = testexp::parse_foreign(text);

    if (!spec)
        throw CLI::ValidationError("--exporter", spec.error().what + ", nor " + test_exporter);
    return fmt::format("{} of {} bytes", testexp::exporter_of(spec.value()),
                       testexp::size_bytes_of(spec.value()));
}

/* Cases are found by their names, so two exporters must not give the same names. */
void check_exporters(const std::vector<std::string>& exporters) {
    std::set<std::string> names;

    for (const std::string& text : exporters) {
        const std::string name = text == test_exporter ? text : case_exporter(text);

        if (!names.insert(name).second)
            throw CLI::ValidationError("--exporter", name + " is named twice");
    }
}

void declare_exporters(CLI::App& app, Options& options) {
    app.add_option("--exporter", options.exporters,
                   "measure the buffers of this exporter; may be repeated. testexp (the default), "
                   "or a buffer of udmabuf:SIZE[,huge], of heap:NAME,SIZE, of "
                   "vfio:BDF,REGION,OFFSET+LENGTH[*COUNT/STRIDE][,...], of drm:CARD,SIZE, or of "
                   "from:SIZE,COMMAND, which sends the buffer as for dmabuf-check --from")
        ->type_name("EXPORTER")
        ->allow_extra_args(false);
    app.parse_complete_callback([&options] { check_exporters(options.exporters); });
}

int parse_and_run(const Program& program, int argc, char** argv) {
    CLI::App app(std::string(program.about) + " Needs the module dmabuf_testexp and root.");
    const bool has_choice = program.presets.size() > 1;
    Options options{.preset = program.presets[has_choice ? 1 : 0], .out = "", .exporters = {}};

    if (has_choice)
        declare_presets(app, program, options);
    if (program.takes_exporters)
        declare_exporters(app, options);
    app.add_flag("--force", options.force, "measure on a debug kernel too; results are marked");
    app.add_option("--repetitions", options.repetitions,
                   "measure each case N times in a process, the cases in a random order")
        ->type_name("N")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--processes", options.processes,
                   "measure everything in N processes, one after another, each with buffers of its "
                   "own; comparing times needs 9, and 10 from 1,216 cases on")
        ->type_name("N")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--out", options.out, "write the results there, as JSON")->type_name("FILE");
    app.footer("Options of Google Benchmark work too, e.g. --benchmark_filter=REGEX.\n"
               "Exit status: 0, 1 when a case failed (not when one cannot be measured here), "
               "4 when no case can be measured here, 128 + signal when interrupted.");

    app.allow_extras();
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        return complain(program, std::string(error.what()) + "; see --help");
    }
    if (options.processes > 1)
        return run_processes(program, options, process_arguments(program, app, options));
    if (const std::string unknown = initialize_library(argv[0], library_arguments(app, options));
        !unknown.empty())
        return complain(program, "unknown argument " + unknown + "; see --help");
    return run(program, options);
}

} // namespace

int run_program(const Program& program, int argc, char** argv) {
    try {
        return parse_and_run(program, argc, argv);
    } catch (const std::exception& error) {
        /* no fmt here: it may throw too */
        std::fprintf(stderr, "%s: %s\n", program.name, error.what());
        return 1;
    }
}

} // namespace bench
