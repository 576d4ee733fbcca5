/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The struct of an ioctl as it is passed: its bytes at the start of zeroed pages, a byte
 * behind them, and the pointer. Each can be spoilt, and spoilt again: what counts is what
 * bytes() returns when the call is made.
 */
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <sstream>
#include <string>

#include <sys/ioctl.h>

#include "guarded_memory.hpp"

namespace testexp {

template <typename Args> class PassedStruct {
public:
    explicit PassedStruct(const Args& good) : args(good) { args.size = sizeof(Args); }

    Args args; /* before the call what goes in, after it what came out */

    /* The byte behind the struct, where a size that is too large finds it. */
    void set_tail(unsigned char tail) { tail_ = tail; }

    /* Passes this pointer instead of the struct's. */
    void set_pointer(std::uint64_t pointer) { pointer_ = pointer; }

    std::uint64_t pointer() const { return pointer_.value_or(memory_.address(memory_.start())); }
    std::uint64_t guard() const { return memory_.guard(); }

    /* In messages: what was spoilt that the struct does not show. */
    std::string frame() const {
        std::ostringstream out;

        if (tail_)
            out << ", then byte " << int{tail_};
        if (pointer_)
            out << ", passed as " << std::hex << *pointer_;
        return out.str();
    }

    /* Puts everything where the ioctl finds it. Returns the bytes that its pointer reaches. */
    Bytes place() {
        std::memset(memory_.start(), 0, memory_.length());
        std::memcpy(memory_.start(), &args, sizeof(args));
        memory_.start()[sizeof(args)] = tail_;
        return memory_.from(pointer());
    }

    /* Makes the call with what was placed, and reads the struct back. The errno, or 0. */
    int call(int fd, unsigned long request) {
        const int error = ioctl(fd, request, pointer()) < 0 ? errno : 0;

        std::memcpy(&args, memory_.start(), sizeof(args));
        return error;
    }

private:
    GuardedMemory memory_;
    std::optional<std::uint64_t> pointer_;
    unsigned char tail_ = 0;
};

} // namespace testexp
