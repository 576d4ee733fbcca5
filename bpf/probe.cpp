// SPDX-License-Identifier: GPL-2.0
#include "probe.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/perf_event.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <vector>

#include "latency.skel.h"

namespace latency {
namespace {

using testexp::Error;
using testexp::Result;
using testexp::Status;

/*
 * struct bpf_link_info of a kprobe link as Linux 6.7 and later fill it in; the
 * installed header may be older. Before 6.6 all behind prog_id stays zero.
 */
struct KprobeLinkInfo {
    __u32 type;
    __u32 id;
    __u32 prog_id;
    __u32 padding;
    __u32 perf_event_type;
    __u32 padding2;
    __u64 func_name;
    __u32 name_len;
    __u32 offset;
    __u64 addr;
    __u64 missed;
};

/*
 * Hits of a kprobe that the kernel dropped, e.g. for want of a return instance;
 * nothing when the kernel does not tell.
 */
std::optional<std::uint64_t> missed_by_link(const bpf_link* link) {
    KprobeLinkInfo info{};
    __u32 size = sizeof(info);

    if (bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &size) || size < sizeof(info) ||
        info.perf_event_type == 0)
        return std::nullopt;
    return info.missed;
}

/* Runs of a program that the kernel skipped, as one was under way on that CPU. */
std::uint64_t missed_by_program(const bpf_program* program) {
    bpf_prog_info info{};
    __u32 size = sizeof(info);

    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
        return 0;
    return info.recursion_misses;
}

struct Pair {
    bpf_program* entry;
    bpf_program* ret;
};

Pair programs(const latency_bpf& skeleton, Mode mode) {
    if (mode == Mode::fentry)
        return {skeleton.progs.enter_fentry, skeleton.progs.return_fexit};
    return {skeleton.progs.enter_kprobe, skeleton.progs.return_kretprobe};
}

/* A per-CPU value begins at a multiple of 8 bytes; ours is one already. */
static_assert(sizeof(latency_stats) % 8 == 0);

std::vector<latency_stats> one_per_cpu() {
    const int cpus = libbpf_num_possible_cpus();
    return std::vector<latency_stats>(cpus > 0 ? cpus : 1, empty_stats());
}

int print_verbosely(libbpf_print_level, const char* format, va_list args) {
    return std::vfprintf(stderr, format, args);
}

} // namespace

std::string_view mode_name(Mode mode) {
    return mode == Mode::fentry ? "fentry" : "kprobe";
}

void Probe::SkeletonDeleter::operator()(latency_bpf* skeleton) const {
    latency_bpf__destroy(skeleton);
}

void Probe::LinkDeleter::operator()(bpf_link* link) const {
    bpf_link__destroy(link);
}

Probe::Probe(std::string function, Mode mode) : function_(std::move(function)), mode_(mode) {
}
Probe::Probe(Probe&&) noexcept = default;
Probe& Probe::operator=(Probe&&) noexcept = default;
Probe::~Probe() = default;

Error Probe::failure(int error, const char* step) const {
    return {error, fmt::format("{}: cannot {} a{} {}: {}", function_, step,
                               mode_ == Mode::fentry ? "n" : "", mode_name(mode_),
                               strerrordesc_np(error))};
}

Result<Probe> Probe::attach(const std::string& function, std::optional<Mode> mode, pid_t tgid) {
    if (!mode) {
        Result<Probe> probe = attach(function, Mode::fentry, tgid);
        return probe ? std::move(probe) : attach(function, Mode::kprobe, tgid);
    }

    Probe probe(function, *mode);
    if (Status loaded = probe.load(tgid); !loaded)
        return loaded.error();
    if (Status started = probe.start(); !started)
        return started.error();
    return probe;
}

Status Probe::load(pid_t tgid) {
    skeleton_.reset(latency_bpf__open());
    if (!skeleton_)
        return failure(errno, "open");
    skeleton_->rodata->filter_tgid = static_cast<__u32>(tgid);

    const auto [unused_entry, unused_return] =
        programs(*skeleton_, mode_ == Mode::fentry ? Mode::kprobe : Mode::fentry);
    bpf_program__set_autoload(unused_entry, false);
    bpf_program__set_autoload(unused_return, false);

    const auto [entry, ret] = programs(*skeleton_, mode_);
    if (mode_ == Mode::fentry && (bpf_program__set_attach_target(entry, 0, function_.c_str()) ||
                                  bpf_program__set_attach_target(ret, 0, function_.c_str())))
        return Error{ENOENT, function_ + ": no such function with BTF in the running kernel"};
    if (int error = latency_bpf__load(skeleton_.get()))
        return failure(-error, "load");

    const __u32 only = 0;
    std::vector<latency_stats> cpus = one_per_cpu();
    if (int error = bpf_map__update_elem(skeleton_->maps.stats, &only, sizeof(only), cpus.data(),
                                         cpus.size() * sizeof(latency_stats), BPF_ANY))
        return failure(-error, "prepare");
    return std::monostate{};
}

/* The return comes first, so that no call is seen only on its way in. */
Status Probe::start() {
    const auto [entry, ret] = programs(*skeleton_, mode_);
    const auto hook = [this](bpf_program* program, bool at_return) {
        return Link(mode_ == Mode::fentry
                        ? bpf_program__attach_trace(program)
                        : bpf_program__attach_kprobe(program, at_return, function_.c_str()));
    };

    return_ = hook(ret, true);
    if (return_)
        entry_ = hook(entry, false);
    if (entry_)
        return std::monostate{};
    if (errno == ENOENT)
        return Error{ENOENT, function_ + ": no such function in the running kernel"};
    return failure(errno, "attach");
}

void Probe::drop(Link& link) {
    if (mode_ == Mode::kprobe) {
        const std::optional<std::uint64_t> missed = missed_by_link(link.get());
        missed_ += missed.value_or(0);
        all_misses_known_ &= missed.has_value();
    }
    link.reset();
}

void Probe::stop() {
    drop(entry_);
    drop(return_);
}

Result<Summary> Probe::read() const {
    const __u32 only = 0;
    std::vector<latency_stats> cpus = one_per_cpu();

    if (int error = bpf_map__lookup_elem(skeleton_->maps.stats, &only, sizeof(only), cpus.data(),
                                         cpus.size() * sizeof(latency_stats), 0))
        return failure(-error, "read");

    const auto [entry, ret] = programs(*skeleton_, mode_);
    Summary all = summarize(cpus, missed_ + missed_by_program(entry) + missed_by_program(ret));
    all.lost_is_exact = all_misses_known_;
    return all;
}

std::optional<std::string> why_unusable() {
    if (geteuid() != 0)
        return "needs root to load BPF programs; run it with sudo";
    const int answer = libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_KPROBE, nullptr);
    if (answer == 1)
        return std::nullopt;
    return fmt::format("this kernel does not let BPF programs load ({}); it needs "
                       "CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS, and root its capabilities",
                       answer < 0 ? strerrordesc_np(-answer) : "refused");
}

void set_verbose(bool verbose) {
    libbpf_set_print(verbose ? print_verbosely : nullptr);
}

} // namespace latency
