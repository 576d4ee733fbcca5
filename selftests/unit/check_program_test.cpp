// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: a command line of dmabuf-check that names nothing to check is refused in one line with
 * status 2, and before the command of --from is started. It cannot see: a law, which needs the
 * module.
 */
#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "scratch.hpp"

namespace {

struct Ended {
    int status;
    std::string output;
};

Ended dmabuf_check(const std::string& arguments) {
    Ended run{-1, ""};
    const std::string command = DMABUF_CHECK " " + arguments + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r"); // NOLINT(cert-env33-c)
    std::array<char, 4096> chunk{};

    if (!pipe)
        return run;
    while (const std::size_t got = fread(chunk.data(), 1, chunk.size(), pipe))
        run.output.append(chunk.data(), got);

    const int status = pclose(pipe);

    run.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    return run;
}

TEST(CheckProgram, OnlyWithATextThatNoLawHas) {
    const Scratch scratch;
    const std::filesystem::path started = scratch.path / "started";
    const Ended run =
        dmabuf_check("--only NO_SUCH_LAW --from 'echo > " + started.string() + "; exec sleep 5'");

    EXPECT_EQ(run.status, 2);
    EXPECT_EQ(run.output,
              "dmabuf-check: --only: no law has 'NO_SUCH_LAW' in its name; see --list\n");
    EXPECT_FALSE(std::filesystem::exists(started));
}

TEST(CheckProgram, OnlyWithTheNameOfARequirementThatIsNotAsked) {
    EXPECT_EQ(dmabuf_check("--only 'required[' --udmabuf 2M").status, 2);
}

} // namespace
