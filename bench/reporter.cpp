// SPDX-License-Identifier: GPL-2.0
#include "reporter.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "buffers.hpp"
#include "signals.hpp"

namespace bench {

namespace {

/* Google Benchmark 1.8 renamed error_occurred and error_message. */
template <typename Run> bool was_skipped(const Run& run) {
    if constexpr (requires { run.skipped; })
        return static_cast<bool>(run.skipped);
    else
        return run.error_occurred;
}

template <typename Run> const std::string& skip_message(const Run& run) {
    if constexpr (requires { run.skip_message; })
        return run.skip_message;
    else
        return run.error_message;
}

} // namespace

testexp::Status Reporter::open(const std::string& path) {
    testexp::Result<testexp::OutputFile> file = testexp::OutputFile::open(path);

    if (!file)
        return file.error();
    file_.emplace(std::move(file).value());
    json_.SetOutputStream(&text_);
    return std::monostate{};
}

testexp::Status Reporter::close() {
    if (!file_)
        return std::monostate{};
    return file_->commit(text_.str());
}

bool Reporter::ReportContext(const Context& context) {
    return !file_ || json_.ReportContext(context);
}

void Reporter::ReportRuns(const std::vector<Run>& runs) {
    std::vector<Run> renamed;

    for (const Run& run : runs) {
        if (run.run_type == Run::RT_Aggregate)
            continue;
        renamed.push_back(run);
        renamed.back().run_name.iterations.clear();
        renamed.back().run_name.time_type.clear();
    }
    if (renamed.empty())
        return;
    show(renamed);
    if (file_)
        json_.ReportRuns(renamed);
}

void Reporter::Finalize() {
    if (file_)
        json_.Finalize();
}

void Reporter::show(const std::vector<Run>& repetitions) {
    const auto failed = std::ranges::find_if(repetitions, was_skipped<Run>);

    if (failed != repetitions.end()) {
        show_error(*failed);
        return;
    }

    const Run& first = repetitions.front();
    double per_op = first.counters.at("per_op").value;

    for (const Run& run : repetitions)
        per_op = std::min(per_op, double{run.counters.at("per_op").value});
    tally_.measured++;
    fmt::print("{:<56} {:>14.2f} {} per op (min of {} x {:.0f} batches, {:.0f} ops)\n",
               first.benchmark_name(), per_op, unit_, repetitions.size(),
               first.counters.at("batches").value, first.counters.at("ops").value);
    std::fflush(stdout);
}

/* All that follows an interruption is one event, not a line each. */
void Reporter::show_error(const Run& run) {
    if (caught_signal() != 0) {
        tally_.interrupted++;
        return;
    }

    const std::string& message = skip_message(run);
    const bool skipped = message.starts_with(requires_prefix);

    (skipped ? tally_.skipped : tally_.failed)++;
    fmt::print(stderr, "{}: {}: {}\n", run.benchmark_name(), skipped ? "not measured" : "failed",
               message);
}

} // namespace bench
