/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracing of reservation locks. Owns a loaded locks.bpf.o, its links, and the watch on
 * the buffers that have these locks.
 */
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf_object.hpp"
#include "buffer_watch.hpp"
#include "kallsyms.hpp"
#include "locks.h"
#include "testexp.hpp"

struct locks_bpf;

namespace latency {

struct LockOptions {
    lock_by by = LOCKS_BY_BUFFER;
    pid_t filter_tgid = 0;          /* 0: all */
    std::uint32_t max_groups = 64;  /* the first is for everything that does not fit */
    std::size_t timeline_bytes = 0; /* of events, a power of two; 0: none */
    BufferOptions buffers;
};

/* Histograms of one buffer, process or stack. */
struct LockGroup {
    std::string who;
    std::array<testexp_hist, LOCK_HISTS> hists; /* by enum lock_hist, ns */
};

/* How long one group waited, on the slow path, for a lock that another held. */
struct LockBlame {
    std::string waiter;
    std::string holder;
    lock_pair_stats stats;
};

struct LockReport {
    std::vector<LockGroup> groups; /* without empty groups */
    std::vector<LockBlame> blames;
    std::vector<lock_event> events;
    lock_counts counts = {};
    std::vector<std::string> cuts; /* why not all waits and holds are known */
    Missed missed;                 /* probe hits that the kernel dropped */
    std::uint64_t nr_buffers = 0;  /* that were there at the end */
};

class LockProbe {
public:
    /**
     * Traces from now on until stop(). What this kernel does not let it see is added
     * to @lost, a line each.
     */
    static testexp::Result<LockProbe> attach(const LockOptions& options,
                                             std::vector<std::string>& lost);

    LockProbe(LockProbe&&) noexcept;
    LockProbe& operator=(LockProbe&&) noexcept;
    ~LockProbe();

    Mode mode() const { return mode_; }

    /* Detaches. The collected data stay. Once. */
    void stop();

    /* After stop(). */
    testexp::Result<LockReport> read() const;

private:
    struct SkeletonDeleter {
        void operator()(locks_bpf* skeleton) const;
    };

    explicit LockProbe(const LockOptions& options) : options_(options) {}

    testexp::Status load(bool any_lock);
    testexp::Status start(std::vector<std::string>& lost);
    testexp::Status clear_stats();
    testexp::Status read_groups(LockReport& report) const;
    void read_blames(LockReport& report, const std::vector<std::string>& names) const;
    void read_events(LockReport& report) const;
    void count_unfinished(LockReport& report) const;
    std::string describe(__u64 key, const lock_group& group) const;

    LockOptions options_;
    Mode mode_ = Mode::fentry;
    std::unique_ptr<locks_bpf, SkeletonDeleter> skeleton_;
    std::optional<BufferWatch> buffers_;
    std::vector<Link> links_;
    std::optional<Kallsyms> symbols_;
    std::vector<std::string> cuts_;
    Missed missed_;
    std::uint64_t nr_buffers_ = 0;
    std::uint64_t nr_too_many_ = 0;
};

} // namespace latency
