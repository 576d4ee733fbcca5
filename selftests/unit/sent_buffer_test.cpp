// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the descriptor that a command sends arrives. A command that sends none is refused in one
 * line that says what the command did. Nothing of the command goes on running.
 * Method: commands of sh and Python. It cannot see: a dma-buf; the examples of dmabuf-check send
 * one.
 */
#include "sent_buffer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>

#include <unistd.h>

namespace {

using namespace testexp;
using namespace std::chrono_literals;

/* No test passes or fails because of this limit, except where a command sends nothing for ever. */
constexpr auto patient = 600s;

std::string refusal(const std::string& command, std::chrono::seconds limit = patient) {
    const auto sent = SentBuffer::receive(command, limit);

    return sent ? "none" : sent.error().what;
}

/* A command of Python with a socket s and this statement. */
std::string python(const std::string& statement) {
    return "exec python3 -c 'import socket; s = socket.socket(fileno=3); " + statement + "'";
}

TEST(SentBuffer, ACommandThatEndsEarly) {
    EXPECT_EQ(refusal("exit 7"), "--from 'exit 7' ended with status 7 and has sent nothing");
    EXPECT_NE(refusal("kill -9 $$").find("status 137"), std::string::npos);
    EXPECT_NE(refusal("no-such-command 2>&-").find("status 127"), std::string::npos);
}

TEST(SentBuffer, ACommandThatNeverSends) {
    EXPECT_EQ(refusal("sleep 1000", 1s), "--from 'sleep 1000' has sent nothing within 1 s; "
                                         "--from-timeout changes this limit");
}

TEST(SentBuffer, AMessageWithoutADescriptor) {
    EXPECT_NE(refusal("echo hello >&3").find("has sent a message without a descriptor"),
              std::string::npos);
}

TEST(SentBuffer, TheDescriptorArrives) {
    std::array<int, 2> ends{};
    char byte = 0;

    ASSERT_EQ(pipe(ends.data()), 0);

    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const std::string number = std::to_string(ends[1]);
    const auto sent = SentBuffer::receive(
        python("socket.send_fds(s, [b\"x\"], [" + number + "]); s.recv(1)"), patient);

    writer.reset();
    ASSERT_EQ(write(sent.value().fd(), "y", 1), 1);
    EXPECT_EQ(read(reader.get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'y');
}

TEST(SentBuffer, TwoDescriptors) {
    EXPECT_NE(
        refusal(python("socket.send_fds(s, [b\"x\"], [0, 1])")).find("has sent 2 descriptors"),
        std::string::npos);
}

/* Every process that the command has started holds the other end of a pipe. */
TEST(SentBuffer, NothingOfTheCommandGoesOn) {
    std::array<int, 2> ends{};
    char byte = 0;

    ASSERT_EQ(pipe(ends.data()), 0);

    const Fd reader(ends[0]);
    Fd writer(ends[1]);

    EXPECT_NE(refusal("trap '' TERM; sleep 1000 & sleep 1000 & echo >&3; wait"), "none");
    writer.reset();
    EXPECT_EQ(read(reader.get(), &byte, 1), 0);
}

} // namespace
