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

namespace bench {

class OtherTracer {
public:
    /**
     * Starts @argv, a program that traces until SIGINT. Returns as soon as @attached, which gets
     * the number of the process, says that the program traces. Such programs print that they have
     * attached before they have, so their output does not count. Fails with the program's last line
     * when the program ends before it traces, and after ten minutes when it does not trace.
     */
    static testexp::Result<OtherTracer> run(std::vector<std::string> argv,
                                            const std::function<bool(pid_t)>& attached);

    /* Fails with the program's last line when the program has ended: it traces no longer. */
    testexp::Status check() const;

private:
    OtherTracer(std::string name, testexp::Fd output, testexp::Child child)
        : name_(std::move(name)), output_(std::move(output)), child_(std::move(child)) {}

    std::string name_;
    testexp::Fd output_;   /* of the program */
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

} // namespace bench
