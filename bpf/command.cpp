// SPDX-License-Identifier: GPL-2.0
#include "command.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "child.hpp"

namespace latency {
namespace {

using std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

sigset_t stopping_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

sigset_t waited_signals() {
    sigset_t set = stopping_signals();
    sigaddset(&set, SIGCHLD);
    return set;
}

timespec to_timespec(Seconds time) {
    const auto whole = static_cast<time_t>(time.count());
    return {whole, static_cast<long>((time.count() - static_cast<double>(whole)) * 1e9)};
}

} // namespace

void block_signals() {
    const sigset_t set = waited_signals();
    sigprocmask(SIG_BLOCK, &set, nullptr);
}

testexp::Result<int> run_command(const std::vector<std::string>& argv) {
    const sigset_t set = waited_signals();
    auto child = testexp::Child::execute(argv, {}, testexp::Child::Life::of_its_own);

    if (!child)
        return child.error();

    for (;;) {
        siginfo_t signal{};
        if (sigwaitinfo(&set, &signal) < 0)
            continue;
        if (signal.si_signo == SIGCHLD) {
            if (child.value().has_ended())
                return testexp::exit_status_of(child.value().wait());
        } else if (signal.si_code != SI_KERNEL) {
            child.value().signal(signal.si_signo);
        }
    }
}

End wait_for(std::optional<Seconds> duration, pid_t pid,
             const std::function<void(std::chrono::seconds)>& progress) {
    const auto begin = steady_clock::now();
    const Seconds step{10};
    const sigset_t stopping = stopping_signals();
    const testexp::Fd signals(signalfd(-1, &stopping, SFD_CLOEXEC));
    /* glibc 2.36 declares pidfd_open() for C only */
    const testexp::Fd process(pid ? static_cast<int>(syscall(SYS_pidfd_open, pid, 0)) : -1);

    if (pid && !process && errno == ESRCH)
        return End::process;
    for (Seconds next = step;;) {
        const Seconds elapsed = steady_clock::now() - begin;
        if (duration && elapsed >= *duration)
            return End::duration;
        if (elapsed >= next) {
            progress(std::chrono::duration_cast<std::chrono::seconds>(elapsed));
            next += step;
        }
        const timespec pause = to_timespec((duration ? std::min(next, *duration) : next) - elapsed);
        pollfd watched[] = {{signals.get(), POLLIN, 0}, {process.get(), POLLIN, 0}};
        if (ppoll(watched, std::size(watched), &pause, nullptr) <= 0)
            continue;
        return watched[0].revents ? End::signal : End::process;
    }
}

} // namespace latency
