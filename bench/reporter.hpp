/* SPDX-License-Identifier: GPL-2.0 */
/* Where results go: a line each on the screen, all of them into a JSON file. */
#pragma once

#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "output_file.hpp"

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
 * result; what the library makes of all of them is left out. The file appears when
 * all results are there: half a file could be taken for a whole one.
 */
class Reporter : public benchmark::BenchmarkReporter {
public:
    /* @unit is that of the counters. */
    explicit Reporter(std::string unit) : unit_(std::move(unit)) {}

    /* Sees that a file can be written there, before anything is measured. */
    testexp::Status open(const std::string& path);

    /* Puts the file there, whole. Once, after the last result. */
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
