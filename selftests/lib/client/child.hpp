/* SPDX-License-Identifier: GPL-2.0 */
/* A process that this one starts, ends and waits for. */
#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <sys/types.h>

#include "testexp.hpp"

namespace testexp {

/* Descriptor @from of this process is descriptor @to of the started program. */
struct Redirection {
    int from;
    int to;
};

/*
 * A child process. Its number is never -1, which kill() would take for every process. A child that
 * nobody has waited for is killed together with this object, and waited for.
 */
class Child {
public:
    enum class Life {
        with_parent, /* the kernel kills the child when the thread that forked ends */
        of_its_own,
    };

    /**
     * Forks. The child runs @body and exits with the status that @body returns. When @body throws,
     * the child writes the exception's text to standard error and exits with status 255.
     * std::runtime_error when fork() fails.
     */
    explicit Child(const std::function<int()>& body, Life life = Life::with_parent);

    /**
     * Runs the program argv[0], which is looked for in PATH, with no signal blocked. The error's
     * text says why the program cannot be started.
     */
    static Result<Child> execute(std::vector<std::string> argv,
                                 std::span<const Redirection> redirections = {},
                                 Life life = Life::with_parent);

    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    pid_t pid() const { return pid_; }

    /* Whether this process started the child; a process that it has forked did not. */
    bool is_ours() const;

    /* Does not wait for the child: its number stays its own. */
    bool has_ended() const;

    /* The destructor sends this signal instead of SIGKILL, and waits until the child ends by it. */
    void end_with(int number) { last_signal_ = number; }

    /* Without effect on a child that has ended. */
    void signal(int number) const;
    void kill() const;

    /* Waits for the end of the child. Returns the status as waitpid() has it. Once. */
    int wait();

private:
    pid_t pid_;
    pid_t parent_;
    int last_signal_ = SIGKILL;
    bool is_gone_ = false;
};

/* Waits until the child has ended, but not for longer than @limit. Returns whether it has ended. */
bool ends_within(const Child& child, std::chrono::milliseconds limit);

/* The signal that ended a process with this status of waitpid(), or 0. */
int signal_of(int status);

/* The status of waitpid() as a shell shows it: 128 and the signal's number for a killed process. */
int exit_status_of(int status);

} // namespace testexp
