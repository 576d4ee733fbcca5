/* SPDX-License-Identifier: GPL-2.0 */
/* Raw ioctls of the module, for the client, and for tests of calls that the client never makes. */
#pragma once

#include <cerrno>
#include <cstdint>
#include <variant>

#include <sys/ioctl.h>

#include "testexp.hpp"

namespace testexp {

/* A pointer as the ABI carries it: a 64-bit integer. */
template <typename T> std::uint64_t user_pointer(T* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

/* A struct of the ABI with its size set and everything else zero. */
template <typename Argument> Argument sized() {
    Argument argument{};

    argument.size = sizeof(Argument);
    return argument;
}

/*
 * Makes the ioctl. Returns 0 or the errno, which errno has too. A result above 0 is EPROTO: no
 * ioctl of the module has one.
 */
inline int errno_of_call(int fd, unsigned long request, void* argument) {
    const int result = ioctl(fd, request, argument);

    if (result > 0)
        errno = EPROTO;
    return result == 0 ? 0 : errno;
}

template <typename Argument>
Status call(int fd, unsigned long request, Argument& argument, const char* name) {
    if (errno_of_call(fd, request, &argument) != 0)
        return errno_error(name);
    return std::monostate{};
}

/* Makes the ioctl. Returns the struct as the kernel has filled it. */
template <typename Argument>
Result<Argument> ask(int fd, unsigned long request, Argument argument, const char* name) {
    const Status status = call(fd, request, argument, name);

    if (!status)
        return status.error();
    return argument;
}

} // namespace testexp
