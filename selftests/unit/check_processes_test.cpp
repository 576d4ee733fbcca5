// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: when something goes wrong in a thread, a process or a command that a law of dmabuf-check
 * uses, the law gets the reason, and the next law is not disturbed. It cannot see: a law.
 */
#include <array>
#include <cerrno>

#include <gtest/gtest.h>
#include <unistd.h>

#include "asked_process.hpp"

using namespace check;

namespace {

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

} // namespace
