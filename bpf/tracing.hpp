/* SPDX-License-Identifier: GPL-2.0 */
/* The common part of all tracing: which processes, until when, and into which file. */
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "bpf_object.hpp"
#include "latency_output.hpp"
#include "testexp.hpp"

namespace latency {

struct TraceOptions {
    std::string out;
    bool append = false;
    std::optional<double> duration_s;
    pid_t filter_pid = 0;
    std::optional<Mode> mode; /* none: the first that works */
    bool verbose = false;
    std::vector<std::string> command; /* empty: trace what runs anyway */
};

/* Adds all options of a trace. */
void declare(CLI::App& app, TraceOptions& options);

/* Adds only the options that say when a trace ends, and what it prints. */
void declare_end(CLI::App& app, TraceOptions& options);

/* Throws CLI::ValidationError when the options contradict each other or the machine. */
void check(const TraceOptions& options);

/* One kind of tracing. */
struct Tracer {
    std::string what;                       /* as in "tracing WHAT" */
    std::function<testexp::Status()> start; /* the probes; afterwards the target runs */
    /*
     * Ends the probes and prints the tables. Returns nothing when a histogram could not be
     * read; finish has then printed why.
     */
    std::function<std::optional<Histograms>(const testexp::Environment&)> finish;
};

/**
 * Traces from beginning to end. Returns the exit status of the program. The histograms are
 * printed and written even when a signal ends the target.
 */
int trace(const TraceOptions& options, const Tracer& tracer);

/* One line on standard error. */
void complain(const std::string& what);

} // namespace latency
