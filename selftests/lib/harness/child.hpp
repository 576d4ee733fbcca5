/* SPDX-License-Identifier: GPL-2.0 */
/* A process that a case starts, ends and judges. */
#pragma once

#include <functional>

#include <sys/types.h>

namespace testexp {

/*
 * A child that was there when it was made: a fork() that fails ends the case, so that its -1
 * never reaches kill(), to which -1 means every process. Whoever does not wait() for the child
 * has it killed with this object. It does not outlive the case either.
 */
class Child {
public:
    /* @body: what the child does; returns the child's exit status. Its exceptions are status 255.
     */
    explicit Child(const std::function<int()>& body);
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    pid_t pid() const { return pid_; }

    /* The child stays to be waited for, and its number stays its own. */
    bool has_ended() const;

    /* SIGKILL, which an ended child does not notice. */
    void kill() const;

    /* Waits for its end. Returns the status as waitpid() has it. */
    int wait();

private:
    pid_t pid_;
    bool is_gone_ = false;
};

/* The signal that ended a process with this status, or 0. */
int signal_of(int status);

} // namespace testexp
