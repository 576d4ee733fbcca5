/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracing of one kernel function: owns a loaded latency.bpf.o and its links.
 */
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "stats.hpp"
#include "testexp.hpp"

struct bpf_link;
struct latency_bpf;

namespace latency {

/* How the kernel calls us. fentry needs BTF for the function, a kprobe its symbol. */
enum class Mode { fentry, kprobe };

std::string_view mode_name(Mode mode);

class Probe {
public:
    /**
     * Traces @function from now on until stop(). Without @mode, fentry if that
     * works, else a kprobe. @tgid limits it to one process; 0 means all.
     *
     * The error's text is one line. ENOENT: the kernel has no such function.
     */
    static testexp::Result<Probe> attach(const std::string& function, std::optional<Mode> mode,
                                         pid_t tgid);

    Probe(Probe&&) noexcept;
    Probe& operator=(Probe&&) noexcept;
    ~Probe();

    const std::string& function() const { return function_; }
    Mode mode() const { return mode_; }

    /* Detaches; what was counted stays. Once. */
    void stop();

    /* What was counted; after stop(), or calls that run meanwhile are half counted. */
    testexp::Result<Summary> read() const;

private:
    struct SkeletonDeleter {
        void operator()(latency_bpf* skeleton) const;
    };
    struct LinkDeleter {
        void operator()(bpf_link* link) const;
    };
    using Skeleton = std::unique_ptr<latency_bpf, SkeletonDeleter>;
    using Link = std::unique_ptr<bpf_link, LinkDeleter>;

    Probe(std::string function, Mode mode);

    testexp::Status load(pid_t tgid);
    testexp::Status start();
    testexp::Error failure(int error, const char* step) const;
    void drop(Link& link);

    std::string function_;
    Mode mode_;
    Skeleton skeleton_;
    Link entry_;
    Link return_;
    std::uint64_t missed_ = 0; /* hits that never reached a program, of links that are gone */
    bool all_misses_known_ = true;
};

/* One line that says why no BPF program can be loaded here, or nothing. */
std::optional<std::string> why_unusable();

/* Lets libbpf say everything, or nothing, on standard error. */
void set_verbose(bool verbose);

} // namespace latency
