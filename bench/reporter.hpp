/* SPDX-License-Identifier: GPL-2.0 */
/* Where results go: each result is a line on the screen, and a JSON file has all results. */
#pragma once

#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "output_file.hpp"
#include "processes.hpp"

namespace bench {

struct Tally {
    int measured = 0;
    int skipped = 0; /* cannot be measured here */
    int failed = 0;
    int interrupted = 0;

    /* Whether no case ran: the library only printed their names (--benchmark_list_tests). */
    bool is_empty() const { return measured + skipped + failed + interrupted == 0; }

    /* The exit status of a program whose cases ended so, without a signal. */
    int status() const {
        return failed != 0 ? 1 : measured == 0 && !is_empty() ? nothing_measured : 0;
    }
};

/**
 * Writes Google Benchmark's JSON with the case names as registered; the library would add
 * the numbers of iterations. Each repetition is a result; the library's aggregates are left
 * out. The file appears when it has all results, because half a file could be mistaken for a
 * whole one.
 */
class Reporter : public benchmark::BenchmarkReporter {
public:
    /* @unit: of the counters. */
    explicit Reporter(std::string unit) : unit_(std::move(unit)) {}

    /* Checks before the first measurement that the file can be written. */
    testexp::Status open(const std::string& path);

    /* Writes the whole file. Once, after the last result. */
    testexp::Status close();

    const Tally& tally() const { return tally_; }

    bool ReportContext(const Context& context) override;
    void ReportRuns(const std::vector<Run>& runs) override;
    void Finalize() override;

private:
    void show(const std::vector<Run>& repetitions);
    void show_error(const Run& run);

    std::string unit_;
    std::optional<testexp::OutputFile> file_;
    std::ostringstream text_; /* of the file, so far */
    benchmark::JSONReporter json_;
    Tally tally_;
};

} // namespace bench
