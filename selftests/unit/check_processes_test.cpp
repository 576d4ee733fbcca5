// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: when something goes wrong in a thread, a process or a command that a law of dmabuf-check
 * uses, the law gets the reason, and the next law is not disturbed. It cannot see: a law.
 */
#include <array>
#include <cerrno>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "asked_process.hpp"
#include "revoke_command.hpp"
#include "thread_report.hpp"

using namespace check;

namespace {

TEST(ThreadReport, AnExceptionIsADifference) {
    ThreadReport report;

    run_and_report(report, [] {});
    EXPECT_EQ(report.differences, 0U);
    std::jthread([&] {
        run_and_report(report, [] { throw std::runtime_error("no importer"); });
        run_and_report(report, [] { throw 1; });
    }).join();
    EXPECT_EQ(report.differences, 2U);
    EXPECT_EQ(report.first, "no importer");
}

/* What ask() throws, or an empty text. */
std::string failure_of(const AskedProcess& process, char request) {
    try {
        process.ask(request);
    } catch (const std::exception& error) {
        return error.what();
    }
    return "";
}

testexp::Status refuse_all_but_good(char request) {
    if (request == 'g')
        return std::monostate{};
    return testexp::Error{EINVAL, std::string("refused ") + request};
}

TEST(AskedProcess, TheAnswerIsThatOfTheQuestion) {
    const AskedProcess process(refuse_all_but_good);

    EXPECT_EQ(failure_of(process, 'g'), "");
    EXPECT_EQ(failure_of(process, 'x'), "refused x");
    EXPECT_EQ(failure_of(process, 'g'), "");
}

/* The answer to the caller that was killed is in the socket when the next caller asks. */
TEST(AskedProcess, ALateAnswerIsNotTheNextOne) {
    std::array<int, 2> go{}, seen{};
    char byte = 0;

    ASSERT_EQ(pipe(go.data()), 0);
    ASSERT_EQ(pipe(seen.data()), 0);

    const AskedProcess process([&](char request) {
        if (request == 'w' && (write(seen[1], "", 1) != 1 || read(go[0], &byte, 1) != 1))
            return testexp::Status(testexp::errno_error("pipe"));
        return refuse_all_but_good(request);
    });
    testexp::Child killed([&] {
        process.ask('w');
        return 0;
    });

    ASSERT_EQ(read(seen[0], &byte, 1), 1);
    killed.kill();
    (void)killed.wait();
    ASSERT_EQ(write(go[1], "", 1), 1);
    EXPECT_EQ(failure_of(process, 'g'), "");
    EXPECT_EQ(failure_of(process, 'x'), "refused x");
    for (const int end : {go[0], go[1], seen[0], seen[1]})
        close(end);
}

std::string failure_of_command(const std::string& command, std::chrono::seconds limit) {
    try {
        invalidation_by(command, "", limit).take();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "";
}

/* No test passes or fails because of the long limit. */
TEST(RevokeCommand, ACommandHasALimit) {
    constexpr std::chrono::seconds patient(600);

    EXPECT_EQ(failure_of_command("true", patient), "");
    EXPECT_EQ(failure_of_command("exit 3", patient), "'exit 3' ended with status 3");
    EXPECT_EQ(failure_of_command("exec sleep 1000", std::chrono::seconds(1)),
              "'exec sleep 1000' has not ended within 1 s; --revoke-timeout changes this limit");
}

} // namespace
