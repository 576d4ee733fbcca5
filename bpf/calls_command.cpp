// SPDX-License-Identifier: GPL-2.0
/*
 * dmabuf-lat calls: the latency of the dma-buf functions that resolve PFNs, of related functions,
 * and of the callbacks of exporters and importers.
 */
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <set>

#include "call_probe.hpp"
#include "event_probe.hpp"
#include "exporter_watch.hpp"
#include "kallsyms.hpp"
#include "subcommands.hpp"
#include "tracing.hpp"

namespace latency {
namespace {

/* A function to trace. To add a function, add a row. */
struct Target {
    const char* function = nullptr;
    const char* former = nullptr; /* its name before the kernel renamed it */
    /* Where the module says what the function is called on this kernel. */
    char (testexp_info::*symbol)[TESTEXP_SYMBOL_LEN] = nullptr;
};

constexpr Target targets[] = {
    {"dma_buf_get_pfn", nullptr, &testexp_info::get_pfn_symbol},
    {"dma_buf_get_pfn_unlocked", nullptr, &testexp_info::get_pfn_unlocked_symbol},
    {"dma_buf_get_pfn_attrs"},
    {"dma_buf_map_attachment"},
    {"dma_buf_map_attachment_unlocked"},
    {"dma_buf_unmap_attachment"},
    {"dma_buf_unmap_attachment_unlocked"},
    {"dma_buf_dynamic_attach"},
    {"dma_buf_detach"},
    {"dma_buf_pin"},
    {"dma_buf_unpin"},
    {"dma_buf_invalidate_mappings", "dma_buf_move_notify"}, /* Linux 7.1 */
};

/*
 * The module fills an ops table for each buffer, so there is no table before the first buffer. A
 * buffer made for this purpose, as `balance` makes one, would not show all of these callbacks:
 * struct dma_buf_ops has no get_pfn in compat mode, and without BTF nobody can read the table.
 */
constexpr struct {
    const char* function;
    const char* op;
    const char* former_op = nullptr; /* the op's name before the kernel renamed it */
} module_callbacks[] = {
    {"exporter_get_pfn", "get_pfn"},
    {"exporter_get_pfn_checked", "get_pfn"},
    {"exporter_get_pfn_attrs", "get_pfn_attrs"},
    {"exporter_attach", "attach"},
    {"exporter_detach", "detach"},
    {"exporter_pin", "pin"},
    {"exporter_unpin", "unpin"},
    {"exporter_map", "map_dma_buf"},
    {"exporter_unmap", "unmap_dma_buf"},
    {"importer_move_notify", "invalidate_mappings", "move_notify"},
};

/* A function; for a callback, also its operation and its exporter. */
struct Traced {
    std::string function;
    std::string op = {};
    std::string exporter = {}; /* may be unknown until the exporter has made a buffer */
    std::uint64_t address = 0; /* of a callback that was found by address; else 0 */
    bool ambiguous = false;    /* several functions have this name */
    std::string former = {};   /* the name in older kernels; this kernel has neither */
};

struct Probe {
    Traced traced;
    CallProbe probe;
};

/* What the kernel has and the results lack. */
struct Untraced {
    Traced traced;
    std::string why;
};

struct Options {
    TraceOptions trace;
    std::vector<std::string> functions;
    bool core = false;
    bool list = false;
};

Kallsyms read_kallsyms() {
    std::ifstream text("/proc/kallsyms");
    return Kallsyms(text);
}

/* The functions to trace, and a watch for exporters that come later. */
struct Subject {
    std::vector<Traced> functions;
    std::optional<ExporterWatch> exporters; /* none: only the callbacks of the module are known */
    std::set<std::uint64_t> seen = {};      /* callbacks that were there at the beginning */
    std::vector<Untraced> untraced = {};

    /* Two functions may have one name. A function without an address may be the one at @address. */
    bool has(const std::string& name, std::uint64_t address) const {
        return std::ranges::any_of(functions, [&](const Traced& traced) {
            return traced.address == address || (traced.address == 0 && traced.function == name);
        });
    }
};

constexpr const char* all_callbacks = "callbacks of exporters";

std::string who(const std::string& exporter) {
    return exporter.empty() ? "an exporter" : exporter;
}

void add_callbacks(Subject& subject, const Kallsyms& kallsyms) {
    for (const auto& [address, op, exporter] : subject.exporters->callbacks()) {
        const auto name = kallsyms.function_at(address);

        subject.seen.insert(address);
        if (!name)
            complain(fmt::format("no {} of {}: no function in /proc/kallsyms begins at {:#x}", op,
                                 who(exporter), address));
        else if (!subject.has(*name, address))
            subject.functions.push_back({*name, op, exporter, address, !kallsyms.is_unique(*name)});
    }
}

/* A function of the core by the name that it has on this kernel. */
Traced core_function(const Target& target, const Kallsyms& kallsyms,
                     const testexp::Result<testexp::Device>& device) {
    if (device && target.symbol)
        return {device.value().info().*target.symbol};
    if (!target.former || kallsyms.has(target.function))
        return {target.function};
    if (kallsyms.has(target.former))
        return {target.former};
    return {.function = target.function, .former = target.former};
}

/* The functions of the test module, with the ops by the names that they have on this kernel. */
void add_module(Subject& subject, const Kallsyms& kallsyms) {
    for (const auto& [function, op, former_op] : module_callbacks) {
        const bool is_former = former_op && subject.exporters && !subject.exporters->has(op);

        /* what the kernel does not have, the module has only in compat mode */
        if (kallsyms.has(function) || !subject.exporters || subject.exporters->has(op))
            subject.functions.push_back(
                {function, is_former ? former_op : op, TESTEXP_DEVICE_NAME});
    }
}

Subject default_subject(std::optional<Mode> mode, bool core_only) {
    const auto device = testexp::Device::open();
    const Kallsyms kallsyms = read_kallsyms();
    Subject subject;

    for (const Target& target : targets)
        subject.functions.push_back(core_function(target, kallsyms, device));
    if (core_only)
        return subject;

    auto exporters = ExporterWatch::attach(mode, kallsyms.ops_tables());
    if (exporters)
        subject.exporters = std::move(exporters).value();
    if (device)
        add_module(subject, kallsyms);
    if (!exporters) {
        complain("what exporters do is not traced: " + exporters.error().what);
        if (exporters.code() != ENOTSUP)
            subject.untraced.push_back({{all_callbacks}, exporters.error().what});
        return subject;
    }
    add_callbacks(subject, kallsyms);
    for (const std::string& op : subject.exporters->absent())
        complain(fmt::format("dma-bufs have no callback {} on this kernel", op));
    return subject;
}

/*
 * Attaches probes to all functions that this kernel has, and names the others. A function that the
 * kernel has and that could not be traced is also in the results.
 */
testexp::Status attach_all(const Options& options, Subject& subject, std::vector<Probe>& probes) {
    for (const Traced& traced : subject.functions) {
        auto probe =
            CallProbe::attach(traced.function, options.trace.mode, options.trace.filter_pid,
                              traced.ambiguous ? traced.address : 0);
        if (probe) {
            probes.push_back({traced, std::move(probe).value()});
            continue;
        }
        if (probe.code() != ENOENT)
            subject.untraced.push_back({traced, probe.error().what});
        if (traced.op.empty())
            complain(probe.error().what +
                     (traced.former.empty() ? "" : ", and no " + traced.former));
        else
            complain(fmt::format("no {} of {}: {}", traced.op, who(traced.exporter),
                                 probe.error().what));
    }
    if (probes.empty())
        return testexp::Error{ENOENT,
                              "nothing to trace; --list prints the functions, --verbose says more"};
    return std::monostate{};
}

/* Names the exporters of callbacks, and the callbacks that came too late for a probe. */
void name_exporters(Subject& subject, std::vector<Probe>& probes) {
    std::map<std::string, std::string> late;

    if (!subject.exporters)
        return;
    const Kallsyms kallsyms = read_kallsyms();
    for (const Callback& callback : subject.exporters->callbacks()) {
        const std::string name = kallsyms.name(callback.function);

        if (!subject.seen.contains(callback.function) && !subject.has(name, callback.function)) {
            late[callback.exporter] += fmt::format(" {} ({})", callback.op, name);
            subject.untraced.push_back(
                {{name, callback.op, callback.exporter}, "came after tracing began"});
        }
        for (Probe& probe : probes)
            if (probe.traced.address == callback.function && probe.traced.exporter.empty())
                probe.traced.exporter = callback.exporter;
    }
    for (const auto& [exporter, functions] : late)
        complain(fmt::format("{} came after tracing began; not timed:{}", exporter, functions));
    if (const std::uint64_t nr = subject.exporters->nr_too_many(); nr != 0) {
        complain(fmt::format("{} functions of exporters are too many; not timed", nr));
        subject.untraced.push_back({{all_callbacks}, fmt::format("{} are too many", nr)});
    }
}

void label_callback(testexp::NamedHistogram& histogram, const Traced& traced) {
    if (!traced.exporter.empty())
        histogram.labels["exporter"] = traced.exporter;
    if (!traced.op.empty())
        histogram.labels["op"] = traced.op;
}

/* An empty histogram that says why nobody knows its calls. */
testexp::NamedHistogram cut_histogram(const Untraced& untraced,
                                      const testexp::Environment& environment) {
    auto histogram = named(untraced.traced.function, tool_name, "none", environment);

    histogram.hist = empty_stats().hist;
    histogram.labels["cut"] = untraced.why;
    label_callback(histogram, untraced.traced);
    return histogram;
}

std::optional<Histograms> collect(Subject& subject, std::vector<Probe>& probes,
                                  const testexp::Environment& environment) {
    Histograms histograms;

    for (Probe& one : probes)
        one.probe.stop();
    name_exporters(subject, probes);
    for (const auto& [traced, probe] : probes) {
        const auto summary = probe.read();
        if (!summary) {
            complain(summary.error().what);
            continue;
        }
        auto histogram =
            named(probe.function(), tool_name, std::string(mode_name(probe.mode())), environment);
        histogram.hist = summary.value().hist;
        histogram.lost = summary.value().lost;
        histogram.unmatched = summary.value().unmatched;
        if (!summary.value().lost_is_exact)
            histogram.labels["lost_is"] = "at_least";
        label_callback(histogram, traced);
        histograms.push_back(std::move(histogram));
    }
    fmt::print(stderr, "{}", table(histograms));
    if (histograms.size() != probes.size())
        return std::nullopt;
    for (const Untraced& untraced : subject.untraced)
        histograms.push_back(cut_histogram(untraced, environment));
    return histograms;
}

/* The value that each tracepoint reports, and its unit. */
constexpr struct {
    event_hist which;
    const char* name;
    const char* value;
    const char* unit;
} events[] = {
    {EVENT_EXPORT, "dma_buf_export", "size of the buffer", "bytes"},
    {EVENT_ATTACH, "dma_buf_dynamic_attach", "size of the buffer", "bytes"},
    {EVENT_DETACH, "dma_buf_detach", "time since attach", "ns"},
};

std::optional<Histograms> collect_events(EventProbe& probe,
                                         const testexp::Environment& environment) {
    Histograms histograms;

    probe.stop();
    const auto report = probe.read();
    if (!report) {
        complain(report.error().what);
        return std::nullopt;
    }
    for (const auto& [which, name, value, unit] : events) {
        auto histogram =
            named(name, tool_name, std::string(mode_name(Mode::tracepoint)), environment);
        histogram.unit = unit;
        histogram.labels["value"] = value;
        histogram.hist = report.value().hists[which];
        histogram.lost = report.value().missed.hits;
        if (which == EVENT_DETACH) {
            histogram.lost += report.value().lost;
            histogram.unmatched = report.value().unmatched + report.value().unended;
        }
        if (!report.value().missed.exact)
            histogram.labels["lost_is"] = "at_least";
        histograms.push_back(std::move(histogram));
    }
    fmt::print(stderr, "{}", table(histograms));
    return histograms;
}

/* Counts exports and attachments by the kernel's tracepoints, without a probe on a function. */
int run_events(const Options& options) {
    std::optional<EventProbe> probe;

    if (!options.functions.empty())
        throw CLI::ValidationError("--function", "a tracepoint belongs to no function; choose "
                                                 "fentry or kprobe");
    if (options.list) {
        for (const auto& event : events)
            fmt::print("{}\n", event.name);
        return 0;
    }
    return trace(options.trace,
                 {.what = "exports and attachments",
                  .start = [&]() -> testexp::Status {
                      auto attached = EventProbe::attach(options.trace.filter_pid);
                      if (!attached)
                          return attached.error();
                      probe.emplace(std::move(attached).value());
                      return std::monostate{};
                  },
                  .finish = [&](const auto& where) { return collect_events(*probe, where); }});
}

Subject named_functions(const std::vector<std::string>& names) {
    Subject subject;

    for (const std::string& name : names)
        subject.functions.push_back({name});
    return subject;
}

int run_calls(Options& options) {
    check(options.trace);
    if (options.trace.mode == Mode::tracepoint)
        return run_events(options);

    Subject subject;
    const auto find = [&] {
        subject = options.functions.empty() ? default_subject(options.trace.mode, options.core)
                                            : named_functions(options.functions);
    };
    if (options.list) {
        set_verbose(options.trace.verbose);
        find();
        for (const Traced& traced : subject.functions)
            fmt::print("{}\n", traced.function);
        return 0;
    }

    std::vector<Probe> probes;
    return trace(options.trace,
                 {.what = "calls",
                  .start =
                      [&] {
                          find();
                          return attach_all(options, subject, probes);
                      },
                  .finish = [&](const auto& where) { return collect(subject, probes, where); }});
}

} // namespace

void add_calls(CLI::App& app, const std::vector<std::string>& command, Run& run) {
    const auto options = std::make_shared<Options>();
    CLI::App* calls = app.add_subcommand("calls", "Latency of dma-buf functions");

    options->trace.command = command;
    declare(*calls, options->trace);
    calls
        ->add_option("--function", options->functions,
                     "Trace this kernel function instead of the usual ones; may be repeated")
        ->allow_extra_args(false);
    calls->add_flag("--core", options->core,
                    "Trace only the functions of the core, and no callbacks");
    calls->add_flag("--list", options->list, "Only print the names of the functions to trace");
    calls->callback([options, &run] { run = [options] { return run_calls(*options); }; });
}

} // namespace latency
