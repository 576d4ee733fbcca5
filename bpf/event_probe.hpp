/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counts by the dma-buf tracepoints: owns a loaded events.bpf.o and its links.
 */
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "bpf_object.hpp"
#include "events.h"
#include "testexp.hpp"

struct events_bpf;

namespace latency {

struct EventReport {
    std::array<testexp_hist, EVENT_HISTS> hists; /* by enum event_hist */
    std::uint64_t lost = 0;                      /* attachments whose beginning was not kept */
    std::uint64_t unmatched = 0;                 /* ends of attachments without a beginning */
    std::uint64_t unended = 0;                   /* attachments that had not ended */
    Missed missed;                               /* events that the kernel dropped */
};

class EventProbe {
public:
    /**
     * Counts from now on until stop(). @tgid limits it to one process; 0 means all. ENOENT: the
     * kernel has no dma-buf tracepoints. ENOTSUP: it has no BTF.
     */
    static testexp::Result<EventProbe> attach(pid_t tgid);

    EventProbe(EventProbe&&) noexcept;
    EventProbe& operator=(EventProbe&&) noexcept;
    ~EventProbe();

    /* Detaches; what was counted stays. */
    void stop();

    /* Returns the counts. The caller calls stop() first. */
    testexp::Result<EventReport> read() const;

private:
    struct SkeletonDeleter {
        void operator()(events_bpf* skeleton) const;
    };

    EventProbe() = default;

    testexp::Status load(pid_t tgid);
    testexp::Status start();

    std::unique_ptr<events_bpf, SkeletonDeleter> skeleton_;
    std::vector<Link> links_;
};

} // namespace latency
