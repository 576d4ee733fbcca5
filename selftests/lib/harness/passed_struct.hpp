/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The struct of an ioctl with what surrounds it: the struct's bytes at the start of zeroed pages, a
 * byte behind them, and the pointer that is passed. A test can spoil each of these, several times.
 * Only what place() returns counts.
 */
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <sstream>
#include <string>

#include "call.hpp"
#include "guarded_memory.hpp"

namespace testexp {

template <typename Args> class PassedStruct {
public:
    explicit PassedStruct(const Args& good) : args(good) { args.size = sizeof(Args); }

    Args args; /* the argument before the call, the answer after it */

    /* Sets the byte behind the struct, which a size that is too large makes part of the struct. */
    void set_tail(unsigned char tail) { tail_ = tail; }

    /* Passes this pointer instead of the struct's. */
    void set_pointer(std::uint64_t pointer) { pointer_ = pointer; }

    std::uint64_t pointer() const { return pointer_.value_or(memory_.address(memory_.start())); }
    std::uint64_t guard() const { return memory_.guard(); }

    /* For messages: what was spoilt outside the struct. */
    std::string frame() const {
        std::ostringstream out;

        if (tail_)
            out << ", then byte " << int{tail_};
        if (pointer_)
            out << ", passed as " << std::hex << *pointer_;
        return out.str();
    }

    /* Writes everything to memory. Returns the bytes that the pointer reaches. */
    Bytes place() {
        std::memset(memory_.start(), 0, memory_.length());
        std::memcpy(memory_.start(), &args, sizeof(args));
        memory_.start()[sizeof(args)] = tail_;
        return memory_.from(pointer());
    }

    /* Makes the call and reads the struct back. Returns the errno or 0. */
    int call(int fd, unsigned long request) {
        const int error = errno_of_call(fd, request, reinterpret_cast<void*>(pointer()));

        std::memcpy(&args, memory_.start(), sizeof(args));
        return error;
    }

private:
    GuardedMemory memory_;
    std::optional<std::uint64_t> pointer_;
    unsigned char tail_ = 0;
};

} // namespace testexp
