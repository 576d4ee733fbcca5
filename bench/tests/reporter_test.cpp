// SPDX-License-Identifier: GPL-2.0
/* The file of results is there when all of them are, and not before. */
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "reporter.hpp"
#include "scratch.hpp"

namespace {

benchmark::BenchmarkReporter::Run make_run(const std::string& name) {
    benchmark::BenchmarkReporter::Run run;

    run.run_name.function_name = name;
    run.iterations = 5;
    for (const char* counter : {"per_op", "batches", "ops"})
        run.counters[counter] = 1;
    return run;
}

TEST(Reporter, FileIsWholeOrNotThere) {
    const Scratch scratch;
    const auto path = scratch.path / "bench.json";
    bench::Reporter reporter("TSC cycles");

    ASSERT_TRUE(reporter.open(path));
    ASSERT_TRUE(reporter.ReportContext(benchmark::BenchmarkReporter::Context()));
    reporter.ReportRuns({make_run("a")});
    EXPECT_FALSE(std::filesystem::exists(path)) << "a machine that dies now leaves no half of it";
    reporter.ReportRuns({make_run("b")});
    reporter.Finalize();
    ASSERT_TRUE(reporter.close());

    std::ifstream file(path);
    const auto json = nlohmann::json::parse(file);

    EXPECT_EQ(json.at("benchmarks").size(), 2U);
}

TEST(Reporter, OldFileStaysWithoutAClose) {
    const Scratch scratch;
    const auto path = scratch.path / "bench.json";

    std::ofstream(path) << "old";
    {
        bench::Reporter reporter("TSC cycles");

        ASSERT_TRUE(reporter.open(path));
        ASSERT_TRUE(reporter.ReportContext(benchmark::BenchmarkReporter::Context()));
        reporter.ReportRuns({make_run("a")});
    }

    std::string text;

    std::getline(std::ifstream(path), text);
    EXPECT_EQ(text, "old");
}

TEST(Reporter, NothingMeasuredIsNoSuccess) {
    EXPECT_EQ(bench::Tally{}.status(), 0) << "the cases were only listed";
    EXPECT_EQ((bench::Tally{.measured = 1, .skipped = 9}).status(), 0);
    EXPECT_EQ((bench::Tally{.measured = 0, .skipped = 9}).status(), bench::nothing_measured);
    EXPECT_EQ((bench::Tally{.measured = 0, .skipped = 9, .failed = 1}).status(), 1);
}

TEST(Reporter, DirectoryThatIsNotThereIsFoundAtOnce) {
    const Scratch scratch;
    bench::Reporter reporter("TSC cycles");

    EXPECT_EQ(reporter.open(scratch.path / "none/bench.json").code(), ENOENT);
}

} // namespace
