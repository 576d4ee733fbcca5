/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Makes one allocation or copy of the kernel fail: see
 * Documentation/fault-injection/fault-injection.rst.
 */
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "testexp.hpp"

namespace testexp {

/* The kind of allocation that can fail. Copies from and to user space can fail with either kind. */
enum class FaultKind { slab, pages };

/**
 * Prepares the kernel for failing allocations, without messages in the log. The destructor restores
 * the settings. Other processes see no failures, because the probability stays unchanged.
 *
 * A program has one object for all its cases, so that a killed case leaves nothing behind.
 */
class FaultInjection {
public:
    /* Skips if the kernel has no failslab, fail_page_alloc or fail-nth. */
    FaultInjection();
    FaultInjection(const FaultInjection&) = delete;
    FaultInjection& operator=(const FaultInjection&) = delete;
    ~FaultInjection();

    /**
     * From now on only allocations of this kind fail. The slab allocator asks for a page or not,
     * depending on what was freed before. So with both kinds at once, the same number would mean a
     * different allocation in the next attempt.
     */
    void select(FaultKind kind) const;

    /* Whether copies from and to user space can fail, too. */
    bool has_usercopy() const { return has_usercopy_; }

    /**
     * Whether a call may map for DMA with a failure of this kind pending. The kernel's checker of
     * the DMA API allocates as well and switches itself off when an allocation fails. Its slab
     * cache can be exempted, but not the pages that the cache takes.
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

/* A failure that is pending for the thread that made this object. */
class NthFault {
public:
    NthFault();

    /* From now on the @nth possible failure of this thread happens, counted from 1. */
    void arm(unsigned int nth) const;

    /* Cancels the failure. Returns whether it has happened. */
    bool disarm() const;

private:
    Fd fd_;
};

} // namespace testexp
