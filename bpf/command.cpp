// SPDX-License-Identifier: GPL-2.0
#include "command.hpp"

#include <poll.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

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

/* Starts the child with the signals as any program expects them. */
int spawn(const std::vector<std::string>& argv, pid_t& pid) {
    std::vector<char*> arguments;
    arguments.reserve(argv.size() + 1);
    for (const std::string& argument : argv)
        arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);

    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    const int error =
        posix_spawnp(&pid, arguments[0], nullptr, &attributes, arguments.data(), environ);
    posix_spawnattr_destroy(&attributes);
    return error;
}

int exit_status(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

} // namespace

void block_signals() {
    const sigset_t set = waited_signals();
    sigprocmask(SIG_BLOCK, &set, nullptr);
}

testexp::Result<int> run_command(const std::vector<std::string>& argv) {
    const sigset_t set = waited_signals();
    pid_t child = -1;

    if (const int error = spawn(argv, child))
        return testexp::Error{error, "cannot run " + argv[0] + ": " + strerrordesc_np(error)};

    for (;;) {
        siginfo_t signal{};
        int status = 0;
        if (sigwaitinfo(&set, &signal) < 0)
            continue;
        if (signal.si_signo == SIGCHLD) {
            if (waitpid(child, &status, WNOHANG) == child)
                return exit_status(status);
        } else if (signal.si_code != SI_KERNEL) {
            kill(child, signal.si_signo);
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
