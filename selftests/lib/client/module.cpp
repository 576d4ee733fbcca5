// SPDX-License-Identifier: GPL-2.0
#include "module.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "limits.hpp"
#include "module_parameters.hpp"

namespace testexp {

namespace {

/* 0 or the errno. */
int insert(const std::string& path) {
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));

    if (!file || syscall(SYS_finit_module, file.get(), module_parameters().c_str(), 0) < 0)
        return errno;
    return 0;
}

bool remove() {
    return syscall(SYS_delete_module, TESTEXP_DEVICE_NAME, O_NONBLOCK) == 0;
}

/* Releases of files that were closed by their process's end may come a moment late. */
bool remove_patiently() {
    const auto give_up = std::chrono::steady_clock::now() + limits::unloading;

    while (!remove()) {
        if (std::chrono::steady_clock::now() > give_up)
            return false;
        std::this_thread::sleep_for(limits::look_again);
    }
    return true;
}

/*
 * Loads the module, says how that went, and unloads it when nobody has the other
 * end of @program any more. Loading is here, and not in the program, since that may
 * be killed at any moment. Holds nothing of the program's, whose reader may wait for
 * the end of its output, and gets none of its signals.
 */
[[noreturn]] void keep(int program, const std::string& path) {
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    char byte = 0;

    setsid();
    /* The program sees the end of the socket, and says that the module cannot be loaded. */
    if (nowhere < 0 || dup2(program, STDIN_FILENO) < 0 || dup2(nowhere, STDOUT_FILENO) < 0 ||
        dup2(nowhere, STDERR_FILENO) < 0)
        _exit(1);
    close_range(STDERR_FILENO + 1, ~0U, 0);

    const int code = insert(path);

    send(STDIN_FILENO, &code, sizeof(code), MSG_NOSIGNAL);
    if (code != 0)
        _exit(0);
    while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
        continue;
    _exit(remove_patiently() ? 0 : 1);
}

} // namespace

std::string module_path() {
    std::array<char, 4096> target{};
    const ssize_t length = readlink("/proc/self/exe", target.data(), target.size());
    const std::string program(target.data(), length > 0 ? static_cast<std::size_t>(length) : 0);

    return program.substr(0, program.rfind('/') + 1) + "kmod-testexp/" TESTEXP_DEVICE_NAME ".ko";
}

Result<LoadedModule> LoadedModule::load(const std::string& path) {
    std::array<int, 2> ends{};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0)
        return errno_error("socketpair");

    Fd ours(ends[0]);
    Fd keepers(ends[1]);
    const pid_t keeper = fork();

    if (keeper < 0)
        return errno_error("fork");
    if (keeper == 0) {
        ours.reset();
        keep(keepers.get(), path);
    }
    keepers.reset();

    LoadedModule module(std::move(ours), keeper);
    int code = EPIPE; /* of a keeper that died */

    (void)recv(module.alive_.get(), &code, sizeof(code), MSG_WAITALL);
    if (code == 0)
        return Result<LoadedModule>(std::move(module));
    errno = code;
    return errno_error("cannot load " + path);
}

Status LoadedModule::unload() {
    int status = 0;
    pid_t ended = -1;

    alive_.reset();
    if (keeper_ < 0)
        return std::monostate{};
    do
        ended = waitpid(keeper_, &status, 0);
    while (ended < 0 && errno == EINTR);
    keeper_ = -1;
    /* None: this is a child of the program that loaded the module. */
    if (ended < 0 || status == 0)
        return std::monostate{};
    return Error{EBUSY, "module " TESTEXP_DEVICE_NAME " cannot be unloaded, so something leaked"};
}

} // namespace testexp
