/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Knows the dma-bufs of the system while it lives: owns a loaded buffers.bpf.o and
 * its links.
 */
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf_object.hpp"
#include "testexp.hpp"

struct buffers_bpf;

namespace latency {

/* A descriptor of another process. */
struct DescriptorOf {
    pid_t pid = 0;
    int fd = -1;
};

struct BufferOptions {
    std::optional<Mode> mode;               /* none: fentry, else kprobe */
    std::string exporter;                   /* only the buffers of this exporter; empty: all */
    std::optional<DescriptorOf> descriptor; /* only the buffer of this descriptor */
    std::uint32_t max_buffers = 16384;
};

class BufferWatch {
public:
    /**
     * Puts the locks of the buffers that @options choose into the map @locks_fd, those
     * of now and those that come. Needs BTF: fails with ENOTSUP without.
     */
    static testexp::Result<BufferWatch> attach(const BufferOptions& options, int locks_fd);

    BufferWatch(BufferWatch&&) noexcept;
    BufferWatch& operator=(BufferWatch&&) noexcept;
    ~BufferWatch();

    Mode mode() const { return mode_; }

    /* The number of buffers that are known now, and of those that did not fit. */
    std::uint64_t nr_buffers() const;
    std::uint64_t nr_too_many() const;

private:
    struct SkeletonDeleter {
        void operator()(buffers_bpf* skeleton) const;
    };

    BufferWatch() = default;

    testexp::Status load(const BufferOptions& options, int locks_fd);
    testexp::Status start(const BufferOptions& options);

    Mode mode_ = Mode::fentry;
    std::unique_ptr<buffers_bpf, SkeletonDeleter> skeleton_;
    std::vector<Link> links_;
};

} // namespace latency
