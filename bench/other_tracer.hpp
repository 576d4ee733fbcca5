/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Another tracer, run as a program of its own, for the benchmark.
 */
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "child.hpp"
#include "testexp.hpp"

namespace latency {

class OtherTracer {
public:
    /**
     * Runs @argv, which traces until it gets SIGINT; returns when @attached says that it
     * does, of the process that it gets. The programs print that they attach before they
     * have, so they are not asked. Fails when it ends before that, with its last line, and
     * when it hangs.
     */
    static testexp::Result<OtherTracer> run(std::vector<std::string> argv,
                                            const std::function<bool(pid_t)>& attached);

private:
    explicit OtherTracer(testexp::Child child) : child_(std::move(child)) {}

    testexp::Child child_; /* ends by SIGINT, as by Ctrl-C, together with this object */
};

/**
 * Two events of the kernel, "dmabuf_pfn:entry" and "dmabuf_pfn:return" of a function,
 * as `perf probe` makes them; gone with the object.
 */
class ProbeEvents {
public:
    static testexp::Result<ProbeEvents> make(const std::string& function);

    ProbeEvents(ProbeEvents&& other) noexcept;
    ProbeEvents& operator=(ProbeEvents&&) = delete;
    ProbeEvents(const ProbeEvents&) = delete;
    ProbeEvents& operator=(const ProbeEvents&) = delete;
    ~ProbeEvents();

private:
    ProbeEvents() = default;

    bool made_ = false;
};

/* Whether a process waits for something to happen: not for a processor, nor for a disk. */
bool is_asleep(pid_t pid);

/* fentry and fexit links in the kernel. */
std::uint64_t count_tracing_links();

/* Probes at entry to and return from @function that are armed, as debugfs lists them. */
std::uint64_t count_kprobes(const std::string& function);

} // namespace latency
