// SPDX-License-Identifier: GPL-2.0
#include "kernel_case.hpp"

#include <benchmark/benchmark.h>

#include "plan.hpp"
#include "sample.hpp"
#include "signals.hpp"

namespace bench {

namespace {

using testexp::Result;

/* Repeats @measure as often as the library asks and hands over the counters. */
void run_case(benchmark::State& state, const Result<Measure>& measure, const Facts& facts,
              double clock_hz) {
    Sample sample;

    while (state.KeepRunning()) {
        if (caught_signal() != 0)
            return state.SkipWithError("interrupted");
        if (!measure)
            return state.SkipWithError(measure.error().what.c_str());

        const Result<testexp::Measurement> once = measure.value()();

        if (!once)
            return state.SkipWithError(once.error().what.c_str());

        const testexp_measure& totals = once.value().totals;

        sample.add(once.value());
        /* The library's real_time becomes the mean time of an operation. */
        state.SetIterationTime(static_cast<double>(totals.ticks) / static_cast<double>(totals.ops) /
                               clock_hz);
    }
    for (const auto& [name, value] : sample.counters())
        state.counters[name] = value;
    if (!facts)
        return;
    for (const auto& [name, value] : facts())
        state.counters[name] = value;
}

} // namespace

void register_case(const std::string& name, const testexp::Device& device,
                   const std::function<Result<Measure>()>& prepare, const Facts& facts) {
    const double clock_hz = static_cast<double>(device.info().clock_khz) * 1000;

    benchmark::RegisterBenchmark(name.c_str(),
                                 [prepare, facts, clock_hz](benchmark::State& state) {
                                     run_case(state, prepare(), facts, clock_hz);
                                 })
        ->Iterations(repeats)
        ->UseManualTime();
}

} // namespace bench
