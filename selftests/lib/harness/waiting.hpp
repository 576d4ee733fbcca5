/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that have to wait for a reservation lock, which a move holds until it is told to end. */
#pragma once

#include <functional>
#include <future>

#include <sys/types.h>

#include "lifetime.hpp"

namespace testexp {

/* Whether the task is asleep in an ioctl of the module, or in the close of a descriptor. */
bool is_asleep_in_call(pid_t task);

/* A thread that makes one call of the kernel, and can be looked at and interrupted meanwhile. */
class Caller {
public:
    /* @call: makes one ioctl or close, and returns its errno or 0. */
    explicit Caller(std::function<int()> call);

    /* Returns when the thread sleeps in its call: true; or when the call has ended: false. */
    bool wait_until_asleep() const;

    /* A signal with a handler; the call is not begun again after it. */
    void interrupt() const;

    bool has_ended() const;

    void wait() const { result_.wait(); }

    /* Waits for its end; to be asked for once. */
    int result() { return result_.get(); }

private:
    std::promise<pid_t> started_;
    std::future<int> result_;
    pid_t task_ = 0;
};

/*
 * A buffer whose reservation lock is held, by a move that waits for the fence of an importer.
 * The fence expires after TESTEXP_FENCE_MS, and with it the hold.
 */
class HeldLock {
public:
    HeldLock();

    const Buffer& buffer() const { return buffer_; }

    /* Another importer, without a fence. */
    const Importer& importer() const { return importer_; }
    Importer& importer() { return importer_; }

    /* Moves the buffer, as the holder does. Return: errno or 0. */
    int move() const;

    /* The move has not ended. */
    bool is_held() const;

    /* Lets the move end, and waits for that. */
    void release();

private:
    Buffer buffer_;
    Importer fenced_;
    Importer importer_;
    std::future<int> moved_;
};

} // namespace testexp
