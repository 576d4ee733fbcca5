// SPDX-License-Identifier: GPL-2.0
/*
 * What does tracing cost? One run measures the same calls of get_pfn without a tracer, with
 * empty probes, with those of dmabuf-lat, and with other tracers. The difference from the
 * bare case is the cost of the tracer.
 *
 * The module runs the calls and reads the clock, as in bench_resolve. Not measured: the
 * tracer's work outside the calls (copying events, cache misses of others), and contention.
 */
#include <algorithm>
#include <functional>
#include <memory>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "call_probe.hpp"
#include "kernel_case.hpp"
#include "lock_probe.hpp"
#include "other_tracer.hpp"
#include "plan.hpp"
#include "program.hpp"
#include "tracer_error.hpp"

#include "probe_cost.skel.h"

namespace {

using latency::CallProbe;
using latency::Mode;
using testexp::Error;
using testexp::Result;
using testexp::Status;

/*
 * A tracer: it traces until it is destroyed. A call returns an error unless the tracer has traced
 * all calls so far, of which at least @nr_calls were made.
 */
using Tracing = std::function<Status(std::uint64_t nr_calls)>;
using Attach = std::function<Result<Tracing>(const std::string& function)>;

struct Case {
    const char* name;
    Attach attach;
};

/* Nobody asks the other tracers. */
template <typename T> Status check(const T&, std::uint64_t) {
    return std::monostate{};
}

Status check(const bench::OtherTracer& tracer, std::uint64_t) {
    return tracer.check();
}

Status check(const CallProbe& probe, std::uint64_t nr_calls) {
    const auto seen = probe.read();

    if (!seen)
        return seen.error();
    return bench::check_seen(nr_calls, seen.value().hist.count, seen.value().lost);
}

template <typename T> Result<Tracing> held(Result<T> made) {
    if (!made)
        return made.error();
    return Tracing([tracer = std::make_shared<T>(std::move(made).value())](std::uint64_t nr_calls) {
        return check(*tracer, nr_calls);
    });
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

/* Whether fentry can find @function. Other tracers report this in different words. */
Status need_btf(const std::string& function) {
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

/* Traces the locks of all buffers, as usual. The measured call takes and drops one lock. */
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
        const std::uint64_t links = bench::count_tracing_links();

        if (mode == Mode::fentry)
            if (const Status btf = need_btf(function); !btf)
                return btf.error();
        return held(bench::OtherTracer::run({"bpftrace", "-e", script}, [&](pid_t) {
            return mode == Mode::fentry ? bench::count_tracing_links() == links + 2
                                        : bench::count_kprobes(function) == 2;
        }));
    };
}

/* Members are destroyed in reverse order: the tracer ends before its events are removed. */
struct PerfTracing {
    bench::ProbeEvents events;
    bench::OtherTracer perf;
};

Status check(const PerfTracing& tracing, std::uint64_t) {
    return tracing.perf.check();
}

/*
 * perf has enabled its events when it only waits: when it was asleep at enough_looks looks in
 * a row, after the probes were armed. A perf that waits for a processor is not asleep. The
 * buffers of perf hold all events of a case, because dropping an event would be cheaper.
 */
Result<Tracing> attach_perf(std::vector<std::string> command, const std::string& function) {
    constexpr int enough_looks = 20;
    auto events = bench::ProbeEvents::make(function);
    if (!events)
        return events.error();

    int looks = 0;
    const auto attached = [&](pid_t pid) {
        const bool is_idle = bench::count_kprobes(function) == 2 && bench::is_asleep(pid);

        looks = is_idle ? looks + 1 : 0;
        return looks >= enough_looks;
    };
    command.insert(command.begin(), "perf");
    command.insert(command.end(), {"-a", "-e", "dmabuf_pfn:entry", "-e", "dmabuf_pfn:return"});
    auto perf = bench::OtherTracer::run(std::move(command), attached);
    if (!perf)
        return perf.error();
    return held(
        Result<PerfTracing>(PerfTracing{std::move(events).value(), std::move(perf).value()}));
}

Attach perf(const std::vector<std::string>& command) {
    return [=](const std::string& function) { return attach_perf(command, function); };
}

using Programs = decltype(probe_cost_bpf::progs);

const Case cases[] = {
    {"probe/bare", [](const std::string&) { return held(Result<int>(0)); }},
    {"probe/empty", pair(&Programs::empty_fentry, &Programs::empty_fexit, Mode::fentry)},
    {"probe/ours", ours(Mode::fentry)},
    {"probe/ours_locks", our_locks},
    {"probe/bpftrace_kfunc", bpftrace("kfunc", "kretfunc", Mode::fentry)},
    {"probe/empty_kprobe", pair(&Programs::empty_kprobe, &Programs::empty_kretprobe, Mode::kprobe)},
    {"probe/ours_kprobe", ours(Mode::kprobe)},
    {"probe/bpftrace_kprobe", bpftrace("kprobe", "kretprobe", Mode::kprobe)},
    {"probe/perf_stat", perf({"stat"})},
    {"probe/perf_record", perf({"record", "-q", "-m", "16384", "-o", "/dev/null"})},
    {"probe/perf_trace", perf({"trace", "-m", "16384"})},
};

/* One extent, one call for each page in turn: the call that bench_resolve shows first. */
Result<testexp::Buffer> make_buffer(const testexp::Device& device, std::uint64_t nr_pages) {
    testexp::CreateSpec spec;

    spec.layout.ram(nr_pages);
    return device.create(spec);
}

/* All cases share this. Only the lock of a buffer that is open is traced. */
struct Subject {
    testexp::Buffer buffer;
    testexp::Importer importer;
    testexp::MeasureSpec spec;
    std::string function; /* that is traced */
};

/*
 * Attaches the tracer; the returned Measure keeps it until the last measurement. A measurement with
 * a tracer that does not trace fails, because it would look like one with a cheap tracer.
 */
Result<bench::Measure> trace(const Attach& attach, const std::shared_ptr<Subject>& subject) {
    const Result<Tracing> tracing = attach(subject->function);

    if (!tracing)
        return Error{tracing.error().code, bench::describe_tracer_error(tracing.error())};
    return bench::Measure([traced = tracing.value(), subject,
                           nr_calls = std::uint64_t{0}]() mutable -> Result<testexp::Measurement> {
        Result<testexp::Measurement> once = subject->importer.measure(subject->spec);

        if (!once)
            return once;
        nr_calls += once.value().totals.ops;
        if (const Status seen = traced(nr_calls); !seen)
            return seen.error();
        return once;
    });
}

Status register_all(const bench::Options&, const testexp::Device& device,
                    const testexp::Environment&) {
    if (const auto why = latency::why_unusable())
        return Error{ENOSYS, *why};

    testexp::MeasureSpec spec = bench::short_calls();

    spec.path = TESTEXP_PATH_GET_PFN;
    spec.nr_pages = 512;

    auto buffer = make_buffer(device, spec.nr_pages);
    if (!buffer)
        return buffer.error();
    auto importer = device.attach(buffer.value().fd.get());
    if (!importer)
        return importer.error();

    const auto subject =
        std::make_shared<Subject>(Subject{std::move(buffer).value(), std::move(importer).value(),
                                          spec, device.info().get_pfn_unlocked_symbol});

    latency::set_verbose(false);
    for (const Case& row : cases)
        bench::register_case(row.name, device,
                             [&row, subject] { return trace(row.attach, subject); });
    return std::monostate{};
}

} // namespace

int main(int argc, char** argv) {
    return bench::run_program({"bench_probe",
                               "Measures what tracing a call costs, tracer by tracer.",
                               nullptr,
                               {"full"},
                               register_all},
                              argc, argv);
}
