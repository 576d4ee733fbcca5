// SPDX-License-Identifier: GPL-2.0
/*
 * What does it cost that one reservation lock guards a whole buffer? Threads resolve
 * PFNs of one buffer for all, of a buffer each, or of overlapping sets of buffers, for
 * several hold times. Other cases resolve by several paths beside a thread that holds the
 * lock half of the time. Each thread has a processor of its own.
 *
 * The module runs the threads and reads the clock. A case lasts a fixed time, so "per_op"
 * is this time divided by the operations of all threads: the inverse of the throughput.
 * In the cases without a holder, the path get_pfn locks, calls dma_buf_get_pfn() and
 * unlocks. So the wait for the lock can be measured separately.
 *
 * With instruction counts all processors share one clock: see docs/decisions.md.
 */
#include <memory>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sched.h>

#include "buffers.hpp"
#include "contention_plan.hpp"
#include "contention_sample.hpp"
#include "program.hpp"
#include "signals.hpp"

namespace {

using bench::ContentionCase;
using testexp::Result;

/* The processors that this process may run on. */
std::vector<int> read_processors() {
    std::vector<int> processors;
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        throw std::runtime_error(testexp::errno_error("sched_getaffinity").what);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            processors.push_back(cpu);
    return processors;
}

/* One buffer to contend for. One extent is enough, because the lock is measured. */
struct Subject {
    testexp::Importer importer;
    testexp::Mapping mapping; /* for paths that read the page table */
};

Result<Subject> make_subject(const testexp::Device& device) {
    testexp::CreateSpec spec;

    spec.layout = testexp::Layout::uniform(2 << 20, 9);

    Result<testexp::Buffer> buffer = device.create(spec);

    if (!buffer)
        return buffer.error();

    Result<testexp::Importer> importer = device.attach(buffer.value().fd.get());
    Result<testexp::Mapping> mapping =
        testexp::Mapping::map(buffer.value().fd.get(), buffer.value().nr_pages);

    if (!importer)
        return importer.error();
    if (!mapping)
        return mapping.error();
    return Subject{std::move(importer).value(), std::move(mapping).value()};
}

/* What all cases share. */
struct Bench {
    const testexp::Device& device;
    const bench::ContentionPreset& preset;
    bench::ContentionClock clock;
    std::vector<int> processors;
    std::vector<Subject> subjects = {}; /* made as they are needed, and kept */
};

/* The descriptors of the first @count subjects. */
Result<std::vector<int>> take_importers(Bench& bench, std::size_t count) {
    std::vector<int> descriptors;

    while (bench.subjects.size() < count) {
        Result<Subject> made = make_subject(bench.device);

        if (!made)
            return made.error();
        bench.subjects.push_back(std::move(made).value());
    }
    for (std::size_t i = 0; i < count; i++)
        descriptors.push_back(bench.subjects[i].importer.fd());
    return descriptors;
}

/* The error of the first contender that ended with one. */
testexp::Error first_error(std::span<const testexp::ContenderReport> reports) {
    for (std::size_t i = 0; i < reports.size(); i++)
        if (const int code = -reports[i].counts.error; code != 0) {
            errno = code;
            return testexp::errno_error("contender " + std::to_string(i));
        }
    return {};
}

testexp::Status run_window(Bench& bench, const ContentionCase& row, bench::ContentionSample& sample,
                           bool is_planned) {
    const Result<std::vector<int>> importers = take_importers(bench, row.nr_buffers());

    if (!importers)
        return importers.error();

    const std::byte* mapped = bench.subjects[0].mapping.bytes().data();
    testexp::ContentionSpec spec =
        make_contention(row, bench.clock, importers.value(), bench.processors,
                        reinterpret_cast<std::uintptr_t>(mapped));

    spec.run_ticks = bench.clock.ticks(bench.preset.window_ns);

    const Result<testexp::Contention> contention = testexp::contend(bench.device, spec);

    if (!contention)
        return contention.error();

    const Result<testexp_run> run = contention.value().run();

    if (!run)
        return run.error();
    if (run.value().expired != 0)
        return testexp::Error{ETIMEDOUT, "the contention did not end in time"};

    const Result<std::vector<testexp::ContenderReport>> reports = contention.value().reports();

    if (!reports)
        return reports.error();
    if (testexp::Error error = first_error(reports.value()); error.code != 0)
        return error;
    sample.add(run.value(), std::span(reports.value()).first(row.threads), is_planned);
    return std::monostate{};
}

testexp::Status run_windows(Bench& bench, const ContentionCase& row,
                            bench::ContentionSample& sample) {
    if (bench.processors.size() < row.processors())
        return testexp::Error{ERANGE, fmt::format("{}{} processors, this machine has {}",
                                                  bench::requires_prefix, row.processors(),
                                                  bench.processors.size())};
    /* On a busy machine a thread may not get a processor for a whole window. */
    constexpr int most_more_windows = 1000;
    const auto wanting = [&sample] { return *std::ranges::min_element(sample.ops) == 0; };
    const int most = bench.preset.windows + most_more_windows;

    for (int window = 0; window < most; window++) {
        const bool is_planned = window < bench.preset.windows;

        if (!is_planned && !wanting())
            break;
        if (bench::caught_signal() != 0)
            return testexp::Error{EINTR, "interrupted"};
        if (testexp::Status status = run_window(bench, row, sample, is_planned); !status)
            return status;
    }
    if (wanting())
        return testexp::Error{ENODATA, "a thread made no operation at all"};
    return std::monostate{};
}

void run_case(benchmark::State& state, Bench& bench, const ContentionCase& row) {
    bench::ContentionSample sample;

    while (state.KeepRunning()) {
        if (const testexp::Status status = run_windows(bench, row, sample); !status) {
            state.SkipWithError(status.error().what.c_str());
            return;
        }
        state.SetIterationTime(static_cast<double>(sample.ticks) /
                               static_cast<double>(sample.total_ops()) / bench.clock.ticks_per_ns /
                               1e9);
    }
    for (const auto& [name, value] : sample.counters())
        state.counters[name] = value;
}

testexp::Status register_all(const bench::Options& options, const testexp::Device& device,
                             const testexp::Environment& environment) {
    const bool icount = environment.clock == "icount";
    const auto bench = std::make_shared<Bench>(Bench{
        .device = device,
        .preset = options.preset == "quick" ? bench::quick_contention : bench::default_contention,
        /* With icount an instruction is a nanosecond, whatever clock_khz says. */
        .clock = {.ticks_per_ns = icount ? 1 : static_cast<double>(device.info().clock_khz) / 1e6,
                  .take_turns = icount},
        .processors = read_processors()});

    for (const ContentionCase& row : bench::make_contention_plan(bench->preset)) {
        benchmark::RegisterBenchmark(
            row.name.c_str(),
            [bench, row](benchmark::State& state) { run_case(state, *bench, row); })
            ->Iterations(1)
            ->UseManualTime();
    }
    return std::monostate{};
}

} // namespace

int main(int argc, char** argv) {
    return bench::run_program({"bench_contention",
                               "Measures what waiting for reservation locks costs.",
                               "quick: one hold time, shorter runs; default: three, longer",
                               {"quick", "default"},
                               register_all},
                              argc, argv);
}
