/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracing of one kernel function: owns a loaded calls.bpf.o and its links.
 */
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "bpf_object.hpp"
#include "stats.hpp"
#include "testexp.hpp"

struct calls_bpf;

namespace latency {

class CallProbe {
public:
    /**
     * Traces @function from now on until stop(). Without @mode, fentry if that
     * works, else a kprobe. @tgid limits it to one process; 0 means all. @address says
     * which function is meant where several have the name: only a kprobe can tell.
     *
     * The error's text is one line. ENOENT: the kernel has no such function.
     */
    static testexp::Result<CallProbe> attach(const std::string& function, std::optional<Mode> mode,
                                             pid_t tgid, std::uint64_t address = 0);

    CallProbe(CallProbe&&) noexcept;
    CallProbe& operator=(CallProbe&&) noexcept;
    ~CallProbe();

    const std::string& function() const { return function_; }
    Mode mode() const { return mode_; }

    /* Detaches; what was counted stays. Once. */
    void stop();

    /* What was counted so far. Before stop(), calls that run meanwhile are half counted. */
    testexp::Result<Summary> read() const;

private:
    struct SkeletonDeleter {
        void operator()(calls_bpf* skeleton) const;
    };
    using Skeleton = std::unique_ptr<calls_bpf, SkeletonDeleter>;

    CallProbe(std::string function, Mode mode, std::uint64_t address);

    testexp::Status load(pid_t tgid);
    testexp::Status start();
    testexp::Error failure(int error, const char* step) const;

    std::string function_;
    Mode mode_;
    std::uint64_t address_; /* 0: the name is enough */
    Skeleton skeleton_;
    Link entry_;
    Link return_;
    Missed missed_; /* of links that are gone */
};

} // namespace latency
