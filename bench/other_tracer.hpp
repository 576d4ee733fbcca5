/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Another tracer, run as a program of its own, for the benchmark.
 */
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

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

    OtherTracer(OtherTracer&& other) noexcept;
    OtherTracer& operator=(OtherTracer&&) = delete;
    OtherTracer(const OtherTracer&) = delete;
    OtherTracer& operator=(const OtherTracer&) = delete;
    ~OtherTracer(); /* ends it as Ctrl-C does, and waits for it */

private:
    explicit OtherTracer(pid_t pid) : pid_(pid) {}

    pid_t pid_;
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
