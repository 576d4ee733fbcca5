// SPDX-License-Identifier: GPL-2.0
#include "child.hpp"

#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <stdexcept>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.hpp"

using testexp::Child;
using testexp::Fd;
using testexp::Redirection;

TEST(Child, ReturnsTheStatusOfItsBody) {
    Child child([] { return 7; });

    EXPECT_EQ(testexp::exit_status_of(child.wait()), 7);
    EXPECT_TRUE(child.has_ended());
}

TEST(Child, AnExceptionIsStatus255) {
    Child child([]() -> int { throw std::runtime_error("no"); });

    EXPECT_EQ(testexp::exit_status_of(child.wait()), 255);
}

TEST(Child, TellsTheSignalThatEndedIt) {
    Child child([] { return pause(); });

    EXPECT_FALSE(child.has_ended());
    child.signal(SIGTERM);

    const int status = child.wait();

    EXPECT_EQ(testexp::signal_of(status), SIGTERM);
    EXPECT_EQ(testexp::exit_status_of(status), 128 + SIGTERM);
}

TEST(Child, EndsWithItsObject) {
    std::array<int, 2> ends{};
    char byte = 0;

    ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);

    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    {
        const Child child([] { return pause(); });
    }
    writer.reset();
    EXPECT_EQ(read(reader.get(), &byte, 1), 0) << "somebody still has the other end";
}

TEST(Child, EndsWithTheSignalOfItsParentsChoice) {
    std::array<int, 2> ends{};
    std::array<char, 16> text{};

    ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);

    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    {
        auto child = Child::execute(
            {"sh", "-c", "trap 'echo end; exit' INT; echo up; while :; do sleep 0.01; done"},
            std::array{Redirection{writer.get(), STDOUT_FILENO}});

        child.value().end_with(SIGINT);
        writer.reset();
        ASSERT_EQ(read(reader.get(), text.data(), text.size()), 3);
    }
    EXPECT_EQ(read(reader.get(), text.data(), text.size()), 4) << "it was killed";
}

/* A parent that ignores SIGCHLD hands this on through exec. */
TEST(Child, KeepsItsStatusWhereSigchldIsIgnored) {
    Child ignores([] {
        (void)std::signal(SIGCHLD, SIG_IGN);

        Child child([] { return 7; });

        return testexp::exit_status_of(child.wait());
    });

    EXPECT_EQ(testexp::exit_status_of(ignores.wait()), 7);
}

TEST(Child, BelongsToTheProcessThatStartedIt) {
    Child child([] { return pause(); });
    Child other([&child] { return child.is_ours() ? 1 : 0; });

    EXPECT_TRUE(child.is_ours());
    EXPECT_EQ(testexp::exit_status_of(other.wait()), 0);
}

TEST(Child, ExecutesAProgramWithItsFiles) {
    const Scratch scratch;
    const std::string path = scratch.path / "out";
    const Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    const std::array redirections = {Redirection{file.get(), STDOUT_FILENO},
                                     Redirection{file.get(), 9}};
    auto child = Child::execute({"sh", "-c", "echo one; echo two >&9; exit 3"}, redirections);
    std::array<char, 16> text{};

    ASSERT_TRUE(child) << child.error().what;
    EXPECT_EQ(testexp::exit_status_of(child.value().wait()), 3);
    EXPECT_EQ(pread(file.get(), text.data(), text.size(), 0), 8);
    EXPECT_EQ(std::string(text.data()), "one\ntwo\n");
}

/* The descriptor is closed by exec unless it is redirected, also to its own number. */
TEST(Child, RedirectsADescriptorToItself) {
    const Fd file(open("/dev/null", O_RDWR | O_CLOEXEC));
    const std::string command = "echo text >&" + std::to_string(file.get());
    auto without = Child::execute({"sh", "-c", "exec 2>/dev/null; " + command});
    auto with =
        Child::execute({"sh", "-c", command}, std::array{Redirection{file.get(), file.get()}});

    EXPECT_NE(without.value().wait(), 0);
    EXPECT_EQ(with.value().wait(), 0);
}

TEST(Child, AProgramHasNoSignalBlocked) {
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, nullptr);
    auto child = Child::execute({"grep", "-q", "^SigBlk:[^1-9a-f]*$", "/proc/self/status"});
    sigprocmask(SIG_UNBLOCK, &all, nullptr);

    EXPECT_EQ(child.value().wait(), 0);
}

TEST(Child, SaysWhyAProgramDoesNotStart) {
    const auto child = Child::execute({"/no/such/program"});

    ASSERT_FALSE(child);
    EXPECT_EQ(child.code(), ENOENT);
    EXPECT_EQ(child.error().what, "cannot run /no/such/program: No such file or directory");
}
