/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls that wait for a reservation lock, which a move or a revoke holds until the test lets this
 * holder end.
 */
#pragma once

#include <functional>
#include <future>

#include <sys/types.h>

#include "lifetime.hpp"

namespace testexp {

/* Whether the task sleeps in an ioctl of the module or in close(). */
bool is_asleep_in_call(pid_t task);

/* A thread that makes one system call, and can be watched and interrupted during the call. */
class Caller {
public:
    /* @call: makes one ioctl or close, and returns its errno or 0. */
    explicit Caller(std::function<int()> call);

    /*
     * Waits until the thread sleeps in its call, which is true, or until the call has ended: false.
     */
    bool wait_until_asleep() const;

    /* Sends the thread a signal with a handler. The kernel does not restart the call. */
    void interrupt() const;

    bool has_ended() const;

    void wait() const { result_.wait(); }

    /* Waits for the end of the call. Call this function once. */
    int result() { return result_.get(); }

private:
    std::promise<pid_t> started_;
    std::future<int> result_;
    pid_t task_ = 0;
};

/* Who holds the lock, and of what buffer. */
struct Hold {
    bool by_revoke = false;         /* else a move */
    std::uint32_t create_flags = 0; /* besides DYNAMIC */
    std::uint64_t nr_pages = 16;
    std::uint32_t align_order = 0;
    /* The flags of the importer without a fence, and whether it has a mapping by KERNEL. */
    std::uint32_t attach_flags = TESTEXP_ATTACH_DYNAMIC;
    bool mapped_by_kernel = false;
};

/*
 * A buffer whose reservation lock is held: a move or a revoke waits for the fence of an importer.
 * The fence expires after TESTEXP_FENCE_MS, which ends the hold.
 */
class HeldLock {
public:
    explicit HeldLock(const Hold& hold = {});

    const Buffer& buffer() const { return buffer_; }

    /* Another importer of the buffer, without a fence. */
    const Importer& importer() const { return importer_; }
    Importer& importer() { return importer_; }

    /* Moves the buffer to pages that are placed as before. Returns the errno or 0. */
    int move() const;

    /* Whether the holder has not ended yet. */
    bool is_held() const;

    /* Lets the holder end, and waits for the end. */
    void release();

private:
    Importer attach() const;
    int take_lock() const;

    Hold hold_;
    Buffer buffer_;
    Importer fenced_;
    Importer importer_;
    std::future<int> holder_;
};

/*
 * A MAP that has its buffer mapped until release(): MAP copies the segments out to a page of a
 * buffer whose lock is held, and waits there for the lock.
 *
 * MAP holds the mmap lock of the process while it waits. So until release() the caller must not
 * change its address space: an allocation for which malloc() needs new memory waits, until the
 * fence has expired and the mapping has ended.
 */
class HeldMapping {
public:
    /* A page of results has no room for more. */
    static constexpr std::size_t most_segments = 4096 / sizeof(testexp_map_entry);

    explicit HeldMapping(const Importer& importer);

    /* Whether the MAP waited there, and still does. */
    bool is_held() const { return asleep_ && lock_.is_held(); }

    /* Lets MAP end, and expects that MAP succeeds. */
    void release();

private:
    HeldLock lock_;
    Mapping room_;
    testexp_map args_{};
    Caller mapper_;
    bool asleep_;
};

/*
 * A FILL that pauses in the kernel for half the time of a timeout. A wait with this timeout that
 * begins and ends during the pause did not end by its timeout: something has woken it.
 */
class Pause {
public:
    explicit Pause(std::uint32_t timeout_ms = TESTEXP_WAIT_MS);

    /* Ends the pause. */
    ~Pause();

    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

    bool lasts() const { return happens(importer_, POLLIN); }

private:
    Buffer buffer_;
    Importer importer_;
    std::future<int> filler_;
};

} // namespace testexp
