// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: whatever a case does, the output is valid KTAP with one line for each case of the plan,
 * and the exit status is right. Two readers judge the output: this test, and Perl's `prove` where
 * it is installed. kunit_logs_test.py has a third one.
 */
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

struct Ended {
    int status;
    std::string output;
};

Ended shell(const std::string& command) {
    Ended run{-1, ""};
    FILE* pipe = popen((command + " 2>&1").c_str(), "r"); // NOLINT(cert-env33-c)
    std::array<char, 4096> chunk{};

    if (!pipe)
        return run;
    while (const std::size_t got = fread(chunk.data(), 1, chunk.size(), pipe))
        run.output.append(chunk.data(), got);

    const int status = pclose(pipe);

    run.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    return run;
}

/* Only the fake that hangs gets a time limit: on a busy machine the others are slow. */
Ended fake(const std::string& what) {
    return shell((what == "hang" ? "KSFT_CASE_TIMEOUT=1 " : "") + std::string(KSFT_FAKE " ") +
                 what);
}

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;

    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

/* The lines that mean something in KTAP: those that do not begin with '#'. */
std::vector<std::string> results_of(const Ended& run) {
    std::vector<std::string> results;

    for (const std::string& line : lines_of(run.output))
        if (line.rfind('#', 0) != 0)
            results.push_back(line);
    return results;
}

bool says(const Ended& run, const std::string& text) {
    return run.output.find(text) != std::string::npos;
}

class Middle : public testing::TestWithParam<std::pair<const char*, const char*>> {};

const std::string middle_name = "P2.middle[percent=%s%n]";

void expect_cases(const Ended& run, const std::array<std::string, 3>& cases) {
    const std::vector<std::string> expected = {"TAP version 13", "1..3", cases[0], cases[1],
                                               cases[2]};

    EXPECT_EQ(results_of(run), expected) << run.output;
}

void expect_between_good_ones(const Ended& run, const std::string& middle) {
    expect_cases(run, {"ok 1 P1.first[n=1]", middle, "ok 3 P3.last"});
}

TEST(Ksft, AllPass) {
    const Ended run = fake("pass");

    EXPECT_EQ(run.status, 0);
    expect_between_good_ones(run, "ok 2 " + middle_name);
    EXPECT_TRUE(says(run, "# Totals: pass:3 fail:0 xfail:0 xpass:0 skip:0 error:0"));
}

TEST(Ksft, SkipKeepsNameAndReason) {
    const Ended run = fake("skip");

    EXPECT_EQ(run.status, 0);
    expect_between_good_ones(run, "ok 2 " + middle_name +
                                      " # SKIP this machine is too small (needs has_hardware)");
    EXPECT_TRUE(says(run, "pass:2 fail:0 xfail:0 xpass:0 skip:1"));
}

TEST(Ksft, SkipAtEndLetsTheCaseGoOn) {
    const Ended run = fake("skip_at_end");

    EXPECT_EQ(run.status, 0);
    EXPECT_TRUE(says(run, "# goes on")) << run.output;
    expect_between_good_ones(run, "ok 2 " + middle_name + " # SKIP a part of it");
}

/* A case that goes wrong fails and says why, and the other cases run. */
TEST_P(Middle, FailsAlone) {
    const auto [what, reason] = GetParam();
    const Ended run = fake(what);

    EXPECT_EQ(run.status, 1);
    expect_between_good_ones(run, "not ok 2 " + middle_name);
    EXPECT_TRUE(says(run, reason)) << run.output;
    EXPECT_TRUE(says(run, "pass:2 fail:1"));
}

INSTANTIATE_TEST_SUITE_P(
    Ksft, Middle,
    testing::Values(std::pair("fail", "sum: is 2, must be 3"),
                    std::pair("fail_often", "... and 990 more failures"),
                    std::pair("compare_signs", "a sign matters: is -1, must be 4294967295"),
                    std::pair("skip_after_failure", "came too late"),
                    std::pair("skip_at_end_and_fail", "two plus two is five"),
                    std::pair("skip_at_end_and_throw", "thrown later"),
                    std::pair("throw", "first line second line"),
                    std::pair("throw_integer", "exception of unknown type"),
                    std::pair("segfault", "killed by signal: Segmentation fault"),
                    std::pair("abort", "killed by signal: Aborted"),
                    std::pair("leave", "left the program with exit status 0"),
                    std::pair("hang", "timed out after 1 s")),
    [](const auto& info) { return std::string(info.param.first); });

TEST(Ksft, FailurePointsAtItsLine) {
    EXPECT_TRUE(says(fake("fail"), "# ksft_fake.cpp:"));
}

TEST(Ksft, NoteCannotForgeAResult) {
    const Ended run = fake("imitate");

    EXPECT_EQ(run.status, 0);
    expect_between_good_ones(run, "ok 2 " + middle_name);
}

TEST(Ksft, LeftChildIsEnded) {
    const Ended run = fake("leave_a_child");

    EXPECT_EQ(run.status, 0);
    expect_between_good_ones(run, "ok 2 " + middle_name);
}

TEST(Ksft, WholeProgramSkips) {
    const Ended run = fake("skip_program");
    const std::vector<std::string> expected = {"TAP version 13",
                                               "1..0 # SKIP module is not loaded"};

    EXPECT_EQ(run.status, 4);
    EXPECT_EQ(results_of(run), expected);
}

/* Where nothing was tested, the kselftest runner must not report a pass. */
TEST(Ksft, AllCasesSkip) {
    const Ended run = fake("skip_all");

    EXPECT_EQ(run.status, 4);
    expect_cases(run, {"ok 1 P1.first[n=1] # SKIP not here",
                       "ok 2 " + middle_name + " # SKIP not here", "ok 3 P3.last # SKIP not here"});
    EXPECT_TRUE(says(run, "pass:0 fail:0 xfail:0 xpass:0 skip:3")) << run.output;
}

TEST(Ksft, FailureAmongSkippedCases) {
    const Ended run = fake("skip_all_but_a_failure");

    EXPECT_EQ(run.status, 1);
    expect_cases(run, {"ok 1 P1.first[n=1] # SKIP not here", "not ok 2 " + middle_name,
                       "ok 3 P3.last # SKIP not here"});
}

TEST(Ksft, ChosenCaseSkips) {
    EXPECT_EQ(shell("KSFT_CASES='" + middle_name + "' " KSFT_FAKE " skip").status, 4);
}

TEST(Ksft, OnlyChosenCases) {
    const Ended run = shell("KSFT_CASES='" + middle_name + "' " KSFT_FAKE " fail");
    const std::vector<std::string> expected = {"TAP version 13", "1..1", "not ok 1 " + middle_name};

    EXPECT_EQ(run.status, 1);
    EXPECT_EQ(results_of(run), expected);
}

TEST(Ksft, OnlyCasesThatMatchAPattern) {
    const std::vector<std::string> ends = {"TAP version 13", "1..2", "ok 1 P1.first[n=1]",
                                           "ok 2 P3.last"};
    const std::vector<std::string> last = {"TAP version 13", "1..1", "ok 1 P3.last"};

    EXPECT_EQ(results_of(shell("KSFT_CASES='P1*n=1]\nP3' " KSFT_FAKE " pass")), ends);
    EXPECT_EQ(results_of(shell("KSFT_CASES='*P3*l*' " KSFT_FAKE " pass")), last);
    EXPECT_EQ(results_of(shell("KSFT_CASES= " KSFT_FAKE " pass")).size(), 5U);
}

TEST(Ksft, EachPatternNeedsACase) {
    const Ended run = shell("KSFT_CASES='P1\nlast*P3' " KSFT_FAKE " pass");

    EXPECT_EQ(run.status, 1);
    EXPECT_TRUE(says(run, "Bail out! no case has 'last*P3' in its name")) << run.output;
}

TEST(Ksft, NoSuchCaseBailsOut) {
    const Ended run = shell("KSFT_CASES=nonesuch " KSFT_FAKE " fail");

    EXPECT_EQ(run.status, 1);
    EXPECT_TRUE(says(run, "Bail out! no case has 'nonesuch' in its name")) << run.output;
}

TEST(Ksft, StopsAtFailure) {
    const Ended failed = shell("KSFT_STOP_AT_FAILURE=1 " KSFT_FAKE " fail");

    EXPECT_EQ(failed.status, 1);
    EXPECT_EQ(results_of(failed).back(),
              "ok 3 P3.last # SKIP a case before it failed (KSFT_STOP_AT_FAILURE)");
    EXPECT_EQ(results_of(shell("KSFT_STOP_AT_FAILURE=1 " KSFT_FAKE " pass")),
              results_of(fake("pass")));
}

TEST(Ksft, BadPlanBailsOut) {
    for (const char* what : {"same_name", "bad_name", "throw_in_plan", "no_cases"}) {
        const Ended run = fake(what);

        EXPECT_EQ(run.status, 1);
        EXPECT_TRUE(says(run, "Bail out!")) << run.output;
    }
}

/* When a case prints half a line, the result that follows begins a new line. */
TEST(Ksft, ResultStartsItsOwnLine) {
    expect_between_good_ones(fake("half_a_line"), "ok 2 " + middle_name);
}

/* What a fake prints, in a file of its own, because tests run in parallel. */
class Saved {
public:
    explicit Saved(const std::string& what) : path_(testing::TempDir() + "ksft.XXXXXX") {
        const int fd = mkstemp(path_.data());

        if (fd < 0)
            throw std::runtime_error("mkstemp " + path_);
        close(fd);
        std::ofstream(path_) << fake(what).output;
    }
    Saved(const Saved&) = delete;
    Saved& operator=(const Saved&) = delete;
    ~Saved() { std::filesystem::remove(path_); }

    const std::string& path() const { return path_; }

private:
    std::string path_;
};

const std::vector<const char*> all = {"pass",     "fail",        "skip",         "throw",
                                      "segfault", "abort",       "leave",        "hang",
                                      "imitate",  "half_a_line", "skip_program", "skip_all"};

TEST(Reader, Prove) {
    if (shell("command -v prove").status != 0)
        GTEST_SKIP() << "requires prove: apt-get install perl";

    for (const char* what : all) {
        const Saved saved(what);
        const Ended run = shell("prove -e cat " + saved.path());
        const bool good = fake(what).status != 1;

        EXPECT_FALSE(says(run, "Parse errors")) << run.output;
        EXPECT_EQ(run.status == 0, good) << what << ": " << run.output;
    }
}

} // namespace
