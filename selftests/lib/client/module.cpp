// SPDX-License-Identifier: GPL-2.0
#include "module.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "limits.hpp"
#include "module_parameters.hpp"

namespace testexp {

namespace {

/* Returns 0 or the errno. */
int insert(const std::string& path) {
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));

    if (!file || syscall(SYS_finit_module, file.get(), module_parameters().c_str(), 0) < 0)
        return errno;
    return 0;
}

bool remove() {
    return syscall(SYS_delete_module, TESTEXP_DEVICE_NAME, O_NONBLOCK) == 0;
}

/* The release of a file may come a moment after the end of the process that closed it. */
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
 * Loads the module, reports the result, and unloads the module when nobody holds the other end of
 * @program any more. The keeper does this and not the program, because the program may be killed at
 * any moment. The keeper holds none of the program's output open, so a reader of the output sees
 * its end. The keeper gets none of the program's signals.
 */
[[noreturn]] void keep(int program, const std::string& path) {
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    char byte = 0;

    setsid();
    /*
     * If this fails, the program sees the end of the socket and reports that the module cannot be
     * loaded.
     */
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

std::uint64_t module_references() {
    std::ifstream file("/sys/module/" TESTEXP_DEVICE_NAME "/refcnt");
    std::uint64_t count = 0;

    if (!(file >> count))
        throw std::runtime_error("cannot read the module's refcnt");
    return count;
}

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
    Child keeper(
        [&]() -> int {
            ours.reset();
            keep(keepers.get(), path);
        },
        Child::Life::of_its_own);

    keepers.reset();

    LoadedModule module(std::move(ours), std::move(keeper));
    int code = EPIPE; /* the result if the keeper dies */

    (void)recv(module.alive_.get(), &code, sizeof(code), MSG_WAITALL);
    if (code == 0)
        return Result<LoadedModule>(std::move(module));
    errno = code;
    return errno_error("cannot load " + path);
}

Status LoadedModule::unload() {
    alive_.reset();
    /* A child of the program that loaded the module leaves the keeper alone. */
    if (!keeper_ || !keeper_->is_ours())
        return std::monostate{};

    const int status = keeper_->wait();

    keeper_.reset();
    if (status == 0)
        return std::monostate{};
    return Error{EBUSY, "module " TESTEXP_DEVICE_NAME " cannot be unloaded, so something leaked"};
}

} // namespace testexp
