// SPDX-License-Identifier: GPL-2.0
/*
 * What does looking cost? The same calls of get_pfn are measured bare, with empty
 * probes, with ours, and with other tracers, all in one run: what a case takes more
 * than the bare one is that tracer's doing.
 *
 * The module runs the calls and reads the clock, as in bench_resolve. Not seen
 * here: what a tracer does beside the calls (copying events out, caches it
 * takes), and contention.
 */
#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>

#include <CLI/CLI.hpp>
#include <benchmark/benchmark.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "buffers.hpp"
#include "call_probe.hpp"
#include "environment.hpp"
#include "hist_table.h"
#include "lock_probe.hpp"
#include "other_tracer.hpp"
#include "plan.hpp"
#include "reporter.hpp"
#include "sample.hpp"
#include "signals.hpp"
#include "tracer_error.hpp"

#include "probe_cost.skel.h"

namespace {

using latency::CallProbe;
using latency::Mode;
using testexp::Error;
using testexp::Result;

/* Something that traces as long as it lives. */
using Tracing = std::shared_ptr<void>;
using Attach = std::function<Result<Tracing>(const std::string& function)>;

struct Case {
    const char* name;
    Attach attach;
};

template <typename T> Result<Tracing> held(Result<T> made) {
    if (!made)
        return made.error();
    return Tracing(std::make_shared<T>(std::move(made).value()));
}

/* An object of probe_cost.bpf.c with the two programs that were asked for. */
struct Pair {
    using Skeleton = std::unique_ptr<probe_cost_bpf, decltype(&probe_cost_bpf__destroy)>;

    Skeleton skeleton{nullptr, probe_cost_bpf__destroy};
    latency::Link entry;
    latency::Link ret;
};

using Program = bpf_program* decltype(probe_cost_bpf::progs)::*;

Error no_btf(const std::string& function) {
    return {ENOENT, "BTF of " + function + ", which this kernel does not have"};
}

/* Whether fentry can find @function; others than us say so in words of their own. */
testexp::Status need_btf(const std::string& function) {
    const Pair::Skeleton skeleton(probe_cost_bpf__open(), probe_cost_bpf__destroy);

    if (!skeleton)
        return testexp::errno_error("cannot open the empty programs");
    if (bpf_program__set_attach_target(skeleton->progs.empty_fentry, 0, function.c_str()))
        return no_btf(function);
    return std::monostate{};
}

Result<Pair> attach_pair(const std::string& function, Program entry, Program ret, Mode mode) {
    Pair pair;
    const auto failed = [&](const char* step) {
        return Error{errno,
                     fmt::format("cannot {} {}: {}", step, function, strerrordesc_np(errno))};
    };

    pair.skeleton.reset(probe_cost_bpf__open());
    if (!pair.skeleton)
        return failed("open the programs for");
    hist_table_fill(std::begin(pair.skeleton->rodata->hist_table));
    bpf_program* const wanted[] = {pair.skeleton->progs.*entry, pair.skeleton->progs.*ret};
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, pair.skeleton->obj)
        bpf_program__set_autoload(program, std::ranges::count(wanted, program) != 0);
    if (mode == Mode::fentry)
        for (bpf_program* one : wanted)
            if (bpf_program__set_attach_target(one, 0, function.c_str()))
                return no_btf(function);
    if (probe_cost_bpf__load(pair.skeleton.get()))
        return failed("load the programs for");

    const auto hook = [&](bpf_program* one, bool at_return) {
        return latency::Link(mode == Mode::fentry
                                 ? bpf_program__attach_trace(one)
                                 : bpf_program__attach_kprobe(one, at_return, function.c_str()));
    };
    pair.ret = hook(wanted[1], true);
    pair.entry = hook(wanted[0], false);
    if (!pair.ret || !pair.entry)
        return failed("attach to");
    return pair;
}

Attach pair(Program entry, Program ret, Mode mode) {
    return
        [=](const std::string& function) { return held(attach_pair(function, entry, ret, mode)); };
}

Attach ours(Mode mode) {
    return [=](const std::string& function) { return held(CallProbe::attach(function, mode, 0)); };
}

/* Of any buffer, as it would be used; the call takes and drops one lock. */
Result<Tracing> our_locks(const std::string&) {
    std::vector<std::string> lost;
    return held(latency::LockProbe::attach({}, lost));
}

Attach bpftrace(const char* entry, const char* ret, Mode mode) {
    return [=](const std::string& function) -> Result<Tracing> {
        const std::string script =
            fmt::format("{0}:{2} {{ @start[tid] = nsecs; }} {1}:{2} /@start[tid]/ "
                        "{{ @ns = hist(nsecs - @start[tid]); delete(@start[tid]); }}",
                        entry, ret, function);
        const std::uint64_t links = latency::count_tracing_links();

        if (mode == Mode::fentry)
            if (const testexp::Status btf = need_btf(function); !btf)
                return btf.error();
        return held(latency::OtherTracer::run({"bpftrace", "-e", script}, [&](pid_t) {
            return mode == Mode::fentry ? latency::count_tracing_links() == links + 2
                                        : latency::count_kprobes(function) == 2;
        }));
    };
}

/* Whatever order they are made in, the tracer ends before its events do. */
struct PerfTracing {
    latency::ProbeEvents events;
    latency::OtherTracer perf;
};

/*
 * perf has enabled its events when it has nothing left to do but wait: when it was asleep
 * at so many looks in a row, after their probes were armed. A perf that waits for a
 * processor is not asleep. Its buffers hold all that is measured, as events that find no
 * room are cheaper.
 */
Result<Tracing> attach_perf(std::vector<std::string> command, const std::string& function) {
    constexpr int enough_looks = 20;
    auto events = latency::ProbeEvents::make(function);
    if (!events)
        return events.error();

    int looks = 0;
    const auto attached = [&](pid_t pid) {
        const bool is_idle = latency::count_kprobes(function) == 2 && latency::is_asleep(pid);

        looks = is_idle ? looks + 1 : 0;
        return looks >= enough_looks;
    };
    command.insert(command.begin(), "perf");
    command.insert(command.end(), {"-a", "-e", "dmabuf_pfn:entry", "-e", "dmabuf_pfn:return"});
    auto perf = latency::OtherTracer::run(std::move(command), attached);
    if (!perf)
        return perf.error();
    return Tracing(std::make_shared<PerfTracing>(
        PerfTracing{std::move(events).value(), std::move(perf).value()}));
}

Attach perf(const std::vector<std::string>& command) {
    return [=](const std::string& function) { return attach_perf(command, function); };
}

using Programs = decltype(probe_cost_bpf::progs);

const Case cases[] = {
    {"probe/bare", [](const std::string&) { return Result<Tracing>(Tracing()); }},
    {"probe/empty", pair(&Programs::empty_fentry, &Programs::empty_fexit, Mode::fentry)},
    {"probe/ours", ours(Mode::fentry)},
    {"probe/ours_locks", our_locks},
    {"probe/task_storage", pair(&Programs::storage_fentry, &Programs::storage_fexit, Mode::fentry)},
    {"probe/bpftrace_kfunc", bpftrace("kfunc", "kretfunc", Mode::fentry)},
    {"probe/empty_kprobe", pair(&Programs::empty_kprobe, &Programs::empty_kretprobe, Mode::kprobe)},
    {"probe/ours_kprobe", ours(Mode::kprobe)},
    {"probe/bpftrace_kprobe", bpftrace("kprobe", "kretprobe", Mode::kprobe)},
    {"probe/perf_stat", perf({"stat"})},
    {"probe/perf_record", perf({"record", "-q", "-m", "16384", "-o", "/dev/null"})},
    {"probe/perf_trace", perf({"trace", "-m", "16384"})},
};

struct Options {
    bool force = false;
    std::string out;
};

/* Debug options make locks many times dearer: no number of them is one. */
bool distorts(const std::string& option) {
    return option == "lockdep" || option == "kasan";
}

int complain(const std::string& what) {
    fmt::print(stderr, "bench_probe: {}\n", what);
    return 1;
}

/* One extent, one call for each page in turn: the call that bench_resolve shows first. */
Result<testexp::Importer> make_importer(const testexp::Device& device, std::uint64_t nr_pages) {
    testexp::CreateSpec spec;

    spec.layout.ram(nr_pages);
    const auto buffer = device.create(spec);
    if (!buffer)
        return buffer.error();
    return device.attach(buffer.value().fd.get());
}

void run_case(benchmark::State& state, const Case& row, const testexp::Importer& importer,
              const testexp::MeasureSpec& spec, const testexp_info& info) {
    bench::Sample sample;
    Result<Tracing> tracing = row.attach(info.get_pfn_unlocked_symbol);

    while (state.KeepRunning()) {
        if (bench::caught_signal() != 0)
            return state.SkipWithError("interrupted");
        if (!tracing)
            return state.SkipWithError(latency::describe_tracer_error(tracing.error()).c_str());
        const auto once = importer.measure(spec);
        if (!once)
            return state.SkipWithError(once.error().what.c_str());

        const testexp_measure& totals = once.value().totals;
        sample.add(once.value());
        state.SetIterationTime(static_cast<double>(totals.ticks) / static_cast<double>(totals.ops) /
                               (static_cast<double>(info.clock_khz) * 1000));
    }
    for (const auto& [name, value] : sample.counters())
        state.counters[name] = value;
}

int verdict(const bench::Tally& tally) {
    fmt::print("{} measured, {} not measurable here, {} failed\n", tally.measured, tally.skipped,
               tally.failed);
    if (bench::caught_signal() != 0)
        return 128 + bench::caught_signal();
    return tally.failed != 0 ? 1 : 0;
}

int run(const Options& options) {
    const auto device = testexp::Device::open();
    if (!device)
        return complain(device.error().what);
    if (const auto why = latency::why_unusable())
        return complain(*why);

    const testexp_info& info = device.value().info();
    const auto environment = testexp::read_environment(info);
    if (!options.force && std::ranges::any_of(environment.debug_options, distorts))
        return complain("this kernel has debug options on that distort all costs; take another, "
                        "or say --force");

    testexp::MeasureSpec spec = bench::short_calls();
    spec.path = TESTEXP_PATH_GET_PFN;
    spec.nr_pages = 512;
    const auto importer = make_importer(device.value(), spec.nr_pages);
    if (!importer)
        return complain(importer.error().what);

    bench::Reporter reporter(environment.unit);
    if (!options.out.empty()) {
        if (const auto opened = reporter.open(options.out); !opened)
            return complain(opened.error().what);
    }
    for (const auto& [name, value] : environment.facts())
        benchmark::AddCustomContext(name, value);
    benchmark::AddCustomContext("preset", "full");
    if (options.force)
        benchmark::AddCustomContext("forced_debug", "1");
    for (const Case& row : cases)
        benchmark::RegisterBenchmark(
            row.name,
            [&](benchmark::State& state) { run_case(state, row, importer.value(), spec, info); })
            ->Iterations(bench::repeats)
            ->UseManualTime();

    latency::set_verbose(false);
    bench::catch_signals();
    if (benchmark::RunSpecifiedBenchmarks(&reporter) == 0)
        return complain("no case matches --benchmark_filter");
    if (const auto written = reporter.close(); !written)
        return complain(written.error().what);
    return verdict(reporter.tally());
}

int run_program(int argc, char** argv) {
    CLI::App app("Measures what tracing a call costs, tracer by tracer. Needs the module "
                 "dmabuf_testexp and root.");
    Options options;
    std::string filter = ".";

    app.add_flag("--force", options.force, "measure on a debug kernel too; results are marked");
    app.add_option("--out", options.out, "write the results there, as JSON")->type_name("FILE");
    app.add_option("--filter", filter, "only the cases that match this")->type_name("REGEX");
    app.footer("Exit status: 0, 1 when a case failed (not when this machine lacks a tracer), "
               "128 + signal when interrupted.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        return complain(std::string(error.what()) + "; see --help");
    }

    std::string filter_argument = "--benchmark_filter=" + filter;
    char* arguments[] = {argv[0], filter_argument.data(), nullptr};
    int nr_arguments = 2;
    benchmark::Initialize(&nr_arguments, arguments);
    return run(options);
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run_program(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_probe: %s\n", error.what());
        return 1;
    }
}
