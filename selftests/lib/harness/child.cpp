// SPDX-License-Identifier: GPL-2.0
#include "child.hpp"

#include <cerrno>
#include <csignal>
#include <exception>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ksft.hpp"
#include "testexp.hpp"

namespace testexp {

namespace {

[[noreturn]] void be_child(const std::function<int()>& body) {
    int status = 255;

    /* A case that is killed for taking too long must not leave it running. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
        status = body();
    } catch (const std::exception& error) {
        ksft::note(error.what());
    } catch (const ksft::Skip& reason) {
        ksft::note(reason.reason);
    }
    _exit(status);
}

} // namespace

Child::Child(const std::function<int()>& body) : pid_(fork()) {
    if (pid_ < 0)
        ksft::fail(errno_error("fork").what);
    if (pid_ == 0)
        be_child(body);
}

Child::~Child() {
    if (is_gone_)
        return;
    kill();
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR)
        continue;
}

bool Child::has_ended() const {
    siginfo_t ended{};

    if (is_gone_)
        return true;
    if (waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) < 0)
        ksft::fail(errno_error("waitid").what);
    return ended.si_pid == pid_;
}

void Child::kill() const {
    if (!is_gone_)
        (void)::kill(pid_, SIGKILL);
}

int Child::wait() {
    int status = 0;
    pid_t ended = -1;

    do
        ended = waitpid(pid_, &status, 0);
    while (ended < 0 && errno == EINTR);
    if (ended != pid_)
        ksft::fail(errno_error("waitpid").what);
    is_gone_ = true;
    return status;
}

int signal_of(int status) {
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

} // namespace testexp
