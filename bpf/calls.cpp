// SPDX-License-Identifier: GPL-2.0
/*
 * dmabuf-lat calls: the latency of the dma-buf functions that resolve PFNs, and of
 * those around them.
 */
#include <fmt/core.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "call_probe.hpp"
#include "subcommands.hpp"
#include "tracing.hpp"

namespace latency {
namespace {

/* What is traced. A function to add is a row to add. */
struct Target {
    const char* function = nullptr;
    /* Where the module says what the function is called on this kernel. */
    char (testexp_info::*symbol)[TESTEXP_SYMBOL_LEN] = nullptr;
    bool of_module = false; /* is not there without it */
};

constexpr Target targets[] = {
    {"dma_buf_get_pfn", &testexp_info::get_pfn_symbol},
    {"dma_buf_get_pfn_unlocked", &testexp_info::get_pfn_unlocked_symbol},
    {"exporter_get_pfn", nullptr, true},
    {"dma_buf_map_attachment"},
    {"dma_buf_map_attachment_unlocked"},
    {"dma_buf_unmap_attachment"},
    {"dma_buf_unmap_attachment_unlocked"},
    {"dma_buf_dynamic_attach"},
    {"dma_buf_detach"},
    {"dma_buf_pin"},
    {"dma_buf_unpin"},
    {"dma_buf_move_notify"},
};

struct Options {
    TraceOptions trace;
    std::vector<std::string> functions;
    bool list = false;
};

std::vector<std::string> default_functions() {
    const auto device = testexp::Device::open();
    std::vector<std::string> names;

    for (const Target& target : targets) {
        if (target.of_module && !device)
            continue;
        names.emplace_back(device && target.symbol ? device.value().info().*target.symbol
                                                   : target.function);
    }
    return names;
}

/* Probes for all functions that there are; the others are named. */
testexp::Status attach_all(const Options& options, std::vector<CallProbe>& probes) {
    for (const std::string& function : options.functions) {
        auto probe = CallProbe::attach(function, options.trace.mode, options.trace.filter_pid);
        if (probe)
            probes.push_back(std::move(probe).value());
        else
            complain(probe.error().what);
    }
    if (probes.empty())
        return testexp::Error{ENOENT,
                              "nothing to trace; --list prints the functions, --verbose says more"};
    return std::monostate{};
}

std::optional<Histograms> collect(std::vector<CallProbe>& probes,
                                  const testexp::Environment& environment) {
    Histograms histograms;

    for (CallProbe& probe : probes)
        probe.stop();
    for (const CallProbe& probe : probes) {
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
        histograms.push_back(std::move(histogram));
    }
    fmt::print(stderr, "{}", table(histograms, environment.clock));
    if (histograms.size() != probes.size())
        return std::nullopt;
    return histograms;
}

int run_calls(Options& options) {
    check(options.trace);
    if (options.functions.empty())
        options.functions = default_functions();
    if (options.list) {
        for (const std::string& function : options.functions)
            fmt::print("{}\n", function);
        return 0;
    }

    std::vector<CallProbe> probes;
    return trace(options.trace,
                 {.what = fmt::format("{} functions", options.functions.size()),
                  .start = [&] { return attach_all(options, probes); },
                  .finish = [&](const auto& where) { return collect(probes, where); }});
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
    calls->add_flag("--list", options->list, "Only print the names of the functions to trace");
    calls->callback([options, &run] { run = [options] { return run_calls(*options); }; });
}

} // namespace latency
