// SPDX-License-Identifier: GPL-2.0
#include "reporter.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "buffers.hpp"
#include "signals.hpp"

namespace bench {

bool Reporter::open(const std::string& path) {
    file_.open(path);
    json_.SetOutputStream(&file_);
    return file_.is_open();
}

bool Reporter::close() {
    if (file_.is_open())
        file_.close();
    return !file_.fail();
}

bool Reporter::ReportContext(const Context& context) {
    return !file_.is_open() || json_.ReportContext(context);
}

void Reporter::ReportRuns(const std::vector<Run>& runs) {
    std::vector<Run> renamed = runs;

    for (Run& run : renamed) {
        run.run_name.iterations.clear();
        run.run_name.time_type.clear();
        show(run);
    }
    if (file_.is_open()) {
        json_.ReportRuns(renamed);
        file_.flush();
    }
}

void Reporter::Finalize() {
    if (file_.is_open())
        json_.Finalize();
}

void Reporter::show(const Run& run) {
    if (run.error_occurred) {
        show_error(run);
        return;
    }
    tally_.measured++;
    fmt::print("{:<56} {:>14.2f} {} per op (min of {:.0f} batches, {:.0f} ops)\n",
               run.benchmark_name(), run.counters.at("per_op").value, unit_,
               run.counters.at("batches").value, run.counters.at("ops").value);
    std::fflush(stdout);
}

/* All that follows an interruption is one event, not a line each. */
void Reporter::show_error(const Run& run) {
    if (caught_signal() != 0) {
        tally_.interrupted++;
        return;
    }

    const bool skipped = run.error_message.starts_with(requires_prefix);

    (skipped ? tally_.skipped : tally_.failed)++;
    fmt::print(stderr, "{}: {}: {}\n", run.benchmark_name(), skipped ? "not measured" : "failed",
               run.error_message);
}

} // namespace bench
