// SPDX-License-Identifier: GPL-2.0
/*
 * What does it cost to resolve a PFN? Measures each path in the kernel over
 * buffers of several sizes and extent orders, beside the costs of an empty loop,
 * of the reservation lock alone, and of one ioctl; and what the sequence of pages,
 * the number of extents and the kind of exporter change.
 *
 * The module runs the loops and reads the clock; this program only says what to
 * run. "per_op" is the fastest of many short batches, so that it does not
 * depend on what else the machine did; the percentiles do.
 *
 * Not seen here: contention (one thread), and what the importer does with the
 * PFN.
 */
#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>

#include <CLI/CLI.hpp>
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "buffers.hpp"
#include "environment.hpp"
#include "ioctl_cost.hpp"
#include "plan.hpp"
#include "reporter.hpp"
#include "sample.hpp"
#include "signals.hpp"

namespace {

using testexp::Measurement;
using testexp::Result;
using Measure = std::function<Result<Measurement>()>;

struct Options {
    std::string preset = bench::default_preset.name;
    bool force = false;
    std::string out;
};

int complain(const std::string& what) {
    fmt::print(stderr, "bench_resolve: {}\n", what);
    return 1;
}

/* Repeats @measure as often as the library asks and hands over the counters. */
void run_case(benchmark::State& state, const Measure& measure, double clock_hz) {
    bench::Sample sample;

    while (state.KeepRunning()) {
        const Result<Measurement> once =
            bench::caught_signal() != 0 ? testexp::Error{EINTR, "interrupted"} : measure();

        if (!once) {
            state.SkipWithError(once.error().what.c_str());
            return;
        }

        const testexp_measure& totals = once.value().totals;

        sample.add(once.value());
        /* so that the library's real_time is the mean time of an operation */
        state.SetIterationTime(static_cast<double>(totals.ticks) / static_cast<double>(totals.ops) /
                               clock_hz);
    }
    for (const auto& [name, value] : sample.counters())
        state.counters[name] = value;
}

void register_case(const std::string& name, double clock_hz, const Measure& measure) {
    benchmark::RegisterBenchmark(
        name.c_str(),
        [measure, clock_hz](benchmark::State& state) { run_case(state, measure, clock_hz); })
        ->Iterations(bench::repeats)
        ->UseManualTime();
}

void register_all(const bench::Preset& preset, const testexp::Device& device,
                  bench::Buffers& buffers, bool icount) {
    const double clock_hz = static_cast<double>(device.info().clock_khz) * 1000;

    register_case("baseline/ioctl", clock_hz,
                  [&device] { return bench::measure_ioctl(device, bench::short_calls()); });

    for (const bench::Case& row : bench::make_plan(preset)) {
        register_case(row.name, clock_hz, [&buffers, row, icount]() -> Result<Measurement> {
            if (icount && !row.needs_for_icount.empty())
                return testexp::Error{ERANGE, bench::requires_prefix + row.needs_for_icount};

            const Result<bench::Target> target = buffers.target(row.shape);

            if (!target)
                return target.error();

            testexp::MeasureSpec spec = row.spec;

            spec.address = target.value().address;
            return target.value().importer->measure(spec);
        });
    }
}

/* Debug options make locks and allocations many times dearer: no number of them is one. */
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

int verdict(const bench::Tally& tally) {
    fmt::print("{} measured, {} not measurable here, {} failed\n", tally.measured, tally.skipped,
               tally.failed);
    if (bench::caught_signal() != 0) {
        complain(fmt::format("interrupted; {} cases were not measured", tally.interrupted));
        return 128 + bench::caught_signal();
    }
    return tally.failed != 0 ? 1 : 0;
}

int run(const Options& options) {
    const Result<testexp::Device> device = testexp::Device::open();

    if (!device)
        return complain(device.error().what);
    if (device.value().info().clock_khz == 0)
        return complain("the module does not know the frequency of its clock");

    const testexp::Environment environment = testexp::read_environment(device.value().info());
    const bool debug = std::ranges::any_of(environment.debug_options, distorts);

    if (debug && !options.force)
        return complain("this kernel has debug options on that distort all costs; take another, "
                        "or say --force to get numbers that are marked");

    const bench::Preset* preset = bench::find_preset(options.preset);

    if (preset == nullptr)
        return complain("no preset " + options.preset + "; say quick, default or full");

    bench::Buffers buffers(device.value());
    bench::Reporter reporter(environment.unit);

    if (!options.out.empty() && !reporter.open(options.out))
        return complain(testexp::errno_error("cannot write " + options.out).what);

    add_context(environment, options, debug);
    register_all(*preset, device.value(), buffers, environment.clock == "icount");
    bench::catch_signals();
    fmt::print("clock {}, unit {}, kernel {}, api {}\n", environment.clock, environment.unit,
               environment.kernel, environment.api);

    if (benchmark::RunSpecifiedBenchmarks(&reporter) == 0)
        return complain("no case matches --benchmark_filter");
    if (!reporter.close())
        return complain("cannot write all of " + options.out + ": is the disk full?");
    return verdict(reporter.tally());
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

int run_program(int argc, char** argv) {
    CLI::App app("Measures what resolving a PFN costs, path by path. Needs the module "
                 "dmabuf_testexp and root.");
    Options options;

    app.add_option("--preset", options.preset,
                   "quick: buffers up to 32 MiB; default: 4 KiB to 1 GiB, a few orders; full: all "
                   "sizes, orders and numbers of extents. Each has every path and every question")
        ->type_name("NAME")
        ->capture_default_str();
    app.add_flag_callback(
        "--quick", [&options] { options.preset = "quick"; }, "--preset quick");
    app.add_flag("--force", options.force, "measure on a debug kernel too; results are marked");
    app.add_option("--out", options.out, "write the results there, as JSON")->type_name("FILE");
    app.footer("Options of Google Benchmark work too, e.g. --benchmark_filter=REGEX.\n"
               "Exit status: 0, 1 when a case failed (not when one cannot be measured here), "
               "128 + signal when interrupted.");

    app.allow_extras();
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        return complain(std::string(error.what()) + "; see --help");
    }
    if (const std::string unknown = initialize_library(argv[0], app.remaining()); !unknown.empty())
        return complain("unknown argument " + unknown + "; see --help");
    return run(options);
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run_program(argc, argv);
    } catch (const std::exception& error) {
        /* no fmt here: it may throw too */
        std::fprintf(stderr, "bench_resolve: %s\n", error.what());
        return 1;
    }
}
