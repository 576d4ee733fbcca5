/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failures of the kernel's own allocations and copies, on demand, one at a time:
 * see Documentation/fault-injection/fault-injection.rst.
 */
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "testexp.hpp"

namespace testexp {

/* What a pending failure can hit; copies from and to user space in either case. */
enum class FaultKind { slab, pages };

/**
 * Lets every allocation fail that may fail, and keeps the log quiet about it. The
 * destructor puts back what was set. Nobody else sees a failure meanwhile: the
 * probability stays what it was.
 *
 * One for a whole program, so that a case which is killed leaves nothing behind.
 */
class FaultInjection {
public:
    /* Skips when the kernel has no failslab, fail_page_alloc or fail-nth. */
    FaultInjection();
    FaultInjection(const FaultInjection&) = delete;
    FaultInjection& operator=(const FaultInjection&) = delete;
    ~FaultInjection();

    /**
     * Only allocations of this kind fail from now on. Whether the slab allocator
     * asks for a page depends on what was freed before, so with both at once the
     * same number would not mean the same point in the next attempt.
     */
    void select(FaultKind kind) const;

    /* Whether copies from and to user space fail too. */
    bool has_usercopy() const { return has_usercopy_; }

    /**
     * Whether mappings for DMA may be made with such a failure pending. The
     * kernel's checker of that API allocates as well, and gives up for good when
     * that fails. Its slab cache can be left out, the pages behind that cannot.
     */
    bool spares_dma_debug(FaultKind kind) const;

private:
    void set(const std::string& path, const std::string& value);
    bool mark_slab_caches();

    std::vector<std::pair<std::string, std::string>> saved_; /* path, old value */
    bool has_usercopy_ = false;
    bool has_dma_debug_ = false;
    bool spares_its_cache_ = false;
};

/* The one failure that is pending for the thread which made this. */
class NthFault {
public:
    NthFault();

    /* The @nth thing that can fail from now on, counted from 1, does. */
    void arm(unsigned int nth) const;

    /* Takes it back. Returns whether it has happened. */
    bool disarm() const;

private:
    Fd fd_;
};

} // namespace testexp
