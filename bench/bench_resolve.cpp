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
#include <functional>
#include <memory>

#include <benchmark/benchmark.h>

#include "buffers.hpp"
#include "ioctl_cost.hpp"
#include "plan.hpp"
#include "program.hpp"
#include "sample.hpp"
#include "signals.hpp"

namespace {

using testexp::Measurement;
using testexp::Result;
using Measure = std::function<Result<Measurement>()>;

/* In a random order each shape is asked for again and again. */
constexpr std::uint64_t kept_buffers_bytes = std::uint64_t{256} << 20;

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

void register_all(const std::string& preset, const testexp::Device& device,
                  const testexp::Environment& environment) {
    const double clock_hz = static_cast<double>(device.info().clock_khz) * 1000;
    const bool icount = environment.clock == "icount";
    const auto buffers = std::make_shared<bench::Buffers>(device, icount ? 0 : kept_buffers_bytes);

    register_case("baseline/ioctl", clock_hz,
                  [&device] { return bench::measure_ioctl(device, bench::short_calls()); });

    for (const bench::Case& row : bench::make_plan(*bench::find_preset(preset))) {
        register_case(row.name, clock_hz, [buffers, row, icount]() -> Result<Measurement> {
            if (icount && !row.needs_for_icount.empty())
                return testexp::Error{ERANGE, bench::requires_prefix + row.needs_for_icount};

            const Result<bench::Target> target = buffers->target(row.shape);

            if (!target)
                return target.error();

            testexp::MeasureSpec spec = row.spec;

            spec.address = target.value().address;
            return target.value().importer->measure(spec);
        });
    }
}

} // namespace

int main(int argc, char** argv) {
    return bench::run_program(
        {"bench_resolve",
         "Measures what resolving a PFN costs, path by path.",
         "quick: buffers up to 32 MiB; default: 4 KiB to 1 GiB, a few orders; full: all sizes, "
         "orders and numbers of extents. Each has every path and every question",
         {"quick", "default", "full"},
         register_all},
        argc, argv);
}
