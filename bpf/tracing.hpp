/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all kinds of tracing have in common: whose calls, until when, and where
 * the histograms go.
 */
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
    std::optional<Mode> mode; /* none: what works */
    bool verbose = false;
    std::vector<std::string> command; /* empty: whatever runs */
};

void declare(CLI::App& app, TraceOptions& options);

/* Throws CLI::ValidationError when the options contradict each other or the machine. */
void check(const TraceOptions& options);

/* What is to be traced. */
struct Tracer {
    std::string what;                       /* as in "tracing WHAT" */
    std::function<testexp::Status()> start; /* the probes; afterwards the target runs */
    /*
     * Ends the probes, prints the tables; nothing when some could not be read, which
     * it has complained about.
     */
    std::function<std::optional<Histograms>(const testexp::Environment&)> finish;
};

/**
 * Traces from beginning to end; returns the program's exit status. Whatever ends
 * the target, a signal included, what was gathered is printed and written.
 */
int trace(const TraceOptions& options, const Tracer& tracer);

/* One line on standard error. */
void complain(const std::string& what);

} // namespace latency
