/* SPDX-License-Identifier: GPL-2.0 */
/* Where results go: a line each on the screen, all of them into a JSON file. */
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

namespace bench {

struct Tally {
    int measured = 0;
    int skipped = 0; /* cannot be measured here */
    int failed = 0;
    int interrupted = 0;
};

/**
 * Writes Google Benchmark's JSON, but with the case names as registered: the
 * library would add the numbers of iterations to them. Each repetition is a
 * result; what the library makes of all of them is left out. Results are in the
 * file as soon as they are there.
 */
class Reporter : public benchmark::BenchmarkReporter {
public:
    /* @unit is that of the counters. */
    explicit Reporter(std::string unit) : unit_(std::move(unit)) {}

    /* Opens the file to write to; false with errno set if that fails. */
    bool open(const std::string& path);

    /* False if not all of it could be written. */
    bool close();

    const Tally& tally() const { return tally_; }

    bool ReportContext(const Context& context) override;
    void ReportRuns(const std::vector<Run>& runs) override;
    void Finalize() override;

private:
    void show(const std::vector<Run>& repetitions);
    void show_error(const Run& run);

    std::string unit_;
    std::ofstream file_;
    benchmark::JSONReporter json_;
    Tally tally_;
};

} // namespace bench
