/* SPDX-License-Identifier: GPL-2.0 */
/* How the client of the ABI makes an ioctl; for its own files only. */
#pragma once

#include <cstdint>
#include <variant>

#include <sys/ioctl.h>

#include "testexp.hpp"

namespace testexp {

/* The ABI carries user pointers as 64-bit integers. */
template <typename T> std::uint64_t user_pointer(T* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

/* An ABI struct with everything zero but its size. */
template <typename Argument> Argument sized() {
    Argument argument{};

    argument.size = sizeof(Argument);
    return argument;
}

template <typename Argument>
Status call(int fd, unsigned long request, Argument& argument, const char* name) {
    if (ioctl(fd, request, &argument) < 0)
        return errno_error(name);
    return std::monostate{};
}

/* The struct as the kernel has answered it. */
template <typename Argument>
Result<Argument> ask(int fd, unsigned long request, Argument argument, const char* name) {
    const Status status = call(fd, request, argument, name);

    if (!status)
        return status.error();
    return argument;
}

} // namespace testexp
