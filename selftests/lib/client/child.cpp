// SPDX-License-Identifier: GPL-2.0
#include "child.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace testexp {

namespace {

[[noreturn]] void throw_errno(const std::string& what) {
    throw std::runtime_error(errno_error(what).what);
}

/* With SIGCHLD ignored, as a parent may leave it, the kernel forgets how a child ended. */
void keep_statuses() {
    struct sigaction action {};

    if (sigaction(SIGCHLD, nullptr, &action) == 0 && action.sa_handler == SIG_IGN)
        (void)::signal(SIGCHLD, SIG_DFL);
}

pid_t fork_kept() {
    keep_statuses();
    return fork();
}

[[noreturn]] void be_child(const std::function<int()>& body, Child::Life life, pid_t parent) {
    int status = 255;

    if (life == Child::Life::with_parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* There is no signal when the parent ended before. */
        if (getppid() != parent)
            _exit(status);
    }
    try {
        status = body();
    } catch (const std::exception& error) {
        /* KTAP takes a line with a number sign for a comment. */
        (void)std::fprintf(stderr, "# %s\n", error.what());
    }
    /* Not exit(), which would write what the parent has buffered a second time. */
    _exit(status);
}

/* Makes a child that runs @body. Returns its number, or -1 with errno. */
pid_t fork_child(const std::function<int()>& body, Child::Life life) {
    const pid_t parent = getpid();
    const pid_t pid = fork_kept();

    if (pid == 0)
        be_child(body, life, parent);
    return pid;
}

/* dup2() of a descriptor to itself would leave it to be closed by exec. */
bool redirect(const Redirection& redirection) {
    if (redirection.from == redirection.to)
        return fcntl(redirection.to, F_SETFD, 0) == 0;
    return dup2(redirection.from, redirection.to) >= 0;
}

/* Becomes the program. Returns the errno of what failed. */
int become(std::vector<std::string>& argv, std::span<const Redirection> redirections) {
    std::vector<char*> arguments;
    sigset_t none;

    arguments.reserve(argv.size() + 1);
    for (std::string& argument : argv)
        arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    for (const Redirection& redirection : redirections)
        if (!redirect(redirection))
            return errno;
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, nullptr) < 0)
        return errno;
    execvp(arguments[0], arguments.data());
    return errno;
}

/* Above the descriptors that a redirection may replace. */
Fd moved_up(const Fd& fd) {
    constexpr int first_free = 64;

    return Fd(fcntl(fd.get(), F_DUPFD_CLOEXEC, first_free));
}

} // namespace

Child::Child(const std::function<int()>& body, Life life)
    : pid_(fork_child(body, life)), parent_(getpid()) {
    if (pid_ < 0)
        throw_errno("fork");
}

/* The child tells the errno of a failed start through a pipe, which a successful exec closes. */
Result<Child> Child::execute(std::vector<std::string> argv,
                             std::span<const Redirection> redirections, Life life) {
    std::array<int, 2> ends{};

    if (pipe2(ends.data(), O_CLOEXEC) < 0)
        return errno_error("cannot make a pipe");

    const Fd result(ends[0]);
    Fd low_end(ends[1]);
    Fd report = moved_up(low_end);

    if (!report)
        return errno_error("cannot make a pipe");
    low_end.reset();

    Child child(
        [&] {
            const int code = become(argv, redirections);

            return write(report.get(), &code, sizeof(code)) == sizeof(code) ? 127 : 126;
        },
        life);
    int code = 0;
    ssize_t length = -1;

    report.reset();
    do
        length = read(result.get(), &code, sizeof(code));
    while (length < 0 && errno == EINTR);
    if (length == 0)
        return child;
    (void)child.wait();
    errno = length == sizeof(code) ? code : EIO;
    return errno_error("cannot run " + argv[0]);
}

Child::Child(Child&& other) noexcept
    : pid_(other.pid_), parent_(other.parent_), last_signal_(other.last_signal_),
      is_gone_(std::exchange(other.is_gone_, true)) {
}

Child::~Child() {
    if (is_gone_ || !is_ours())
        return;
    signal(last_signal_);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR)
        continue;
}

bool Child::is_ours() const {
    return parent_ == getpid();
}

bool Child::has_ended() const {
    siginfo_t ended{};

    if (is_gone_)
        return true;
    if (waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) < 0)
        throw_errno("waitid");
    return ended.si_pid == pid_;
}

void Child::signal(int number) const {
    if (!is_gone_)
        (void)::kill(pid_, number);
}

void Child::kill() const {
    signal(SIGKILL);
}

int Child::wait() {
    int status = 0;
    pid_t ended = -1;

    do
        ended = waitpid(pid_, &status, 0);
    while (ended < 0 && errno == EINTR);
    if (ended != pid_)
        throw_errno("waitpid");
    is_gone_ = true;
    return status;
}

bool ends_within(const Child& child, std::chrono::milliseconds limit) {
    constexpr auto between_looks = std::chrono::milliseconds(10);
    const auto end = std::chrono::steady_clock::now() + limit;

    while (!child.has_ended() && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(between_looks);
    return child.has_ended();
}

int signal_of(int status) {
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int exit_status_of(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

} // namespace testexp
