// SPDX-License-Identifier: GPL-2.0
#include "call_probe.hpp"

#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "hist_table.h"

#include "calls.skel.h"

namespace latency {
namespace {

using testexp::Error;
using testexp::Result;
using testexp::Status;

struct Pair {
    bpf_program* entry;
    bpf_program* ret;
};

Pair programs(const calls_bpf& skeleton, Mode mode) {
    const auto& all = skeleton.progs;
    const bool is_filtered = skeleton.rodata->filter_tgid != 0;

    if (mode == Mode::fentry)
        return {all.enter_fentry, is_filtered ? all.return_wanted_fexit : all.return_fexit};
    return {all.enter_kprobe, is_filtered ? all.return_wanted_kretprobe : all.return_kretprobe};
}

/* A per-CPU value begins at a multiple of 8 bytes; ours is one already. */
static_assert(sizeof(call_stats) % 8 == 0);

std::vector<call_stats> one_per_cpu() {
    const int cpus = libbpf_num_possible_cpus();
    return std::vector<call_stats>(cpus > 0 ? cpus : 1, empty_stats());
}

} // namespace

void CallProbe::SkeletonDeleter::operator()(calls_bpf* skeleton) const {
    calls_bpf__destroy(skeleton);
}

CallProbe::CallProbe(std::string function, Mode mode, std::uint64_t address)
    : function_(std::move(function)), mode_(mode), address_(address) {
}
CallProbe::CallProbe(CallProbe&&) noexcept = default;
CallProbe& CallProbe::operator=(CallProbe&&) noexcept = default;
CallProbe::~CallProbe() = default;

Error CallProbe::failure(int error, const char* step) const {
    return {error, fmt::format("{}: cannot {} a{} {}: {}", function_, step,
                               mode_ == Mode::fentry ? "n" : "", mode_name(mode_),
                               strerrordesc_np(error))};
}

Result<CallProbe> CallProbe::attach(const std::string& function, std::optional<Mode> mode,
                                    pid_t tgid, std::uint64_t address) {
    if (!mode) {
        Result<CallProbe> probe = attach(function, Mode::fentry, tgid, address);
        return probe ? std::move(probe) : attach(function, Mode::kprobe, tgid, address);
    }
    if (*mode == Mode::fentry && address != 0)
        return Error{ENOTUNIQ, function + ": fentry cannot tell it from others of that name"};

    CallProbe probe(function, *mode, address);
    if (Status loaded = probe.load(tgid); !loaded)
        return loaded.error();
    if (Status started = probe.start(); !started)
        return started.error();
    return probe;
}

Status CallProbe::load(pid_t tgid) {
    skeleton_.reset(calls_bpf__open());
    if (!skeleton_)
        return failure(errno, "open");
    hist_table_fill(std::begin(skeleton_->rodata->hist_table));
    skeleton_->rodata->filter_tgid = static_cast<__u32>(tgid);

    const auto [entry, ret] = programs(*skeleton_, mode_);
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj)
        bpf_program__set_autoload(program, program == entry || program == ret);
    if (mode_ == Mode::fentry && (bpf_program__set_attach_target(entry, 0, function_.c_str()) ||
                                  bpf_program__set_attach_target(ret, 0, function_.c_str())))
        return Error{ENOENT, function_ + ": no such function with BTF in the running kernel"};
    if (int error = calls_bpf__load(skeleton_.get()))
        return failure(-error, "load");

    const __u32 only = 0;
    std::vector<call_stats> cpus = one_per_cpu();
    if (int error = bpf_map__update_elem(skeleton_->maps.stats, &only, sizeof(only), cpus.data(),
                                         cpus.size() * sizeof(call_stats), BPF_ANY))
        return failure(-error, "prepare");
    return std::monostate{};
}

/* The return comes first, so that no call is seen only on its way in. */
Status CallProbe::start() {
    const auto [entry, ret] = programs(*skeleton_, mode_);
    const auto hook = [this](bpf_program* program, bool at_return) {
        if (mode_ == Mode::fentry)
            return Link(bpf_program__attach_trace(program));
        LIBBPF_OPTS(bpf_kprobe_opts, options, .offset = address_, .retprobe = at_return);
        return Link(bpf_program__attach_kprobe_opts(
            program, address_ == 0 ? function_.c_str() : nullptr, &options));
    };

    return_ = hook(ret, true);
    if (return_)
        entry_ = hook(entry, false);
    if (entry_) {
        skeleton_->bss->complete = 1;
        return std::monostate{};
    }
    if (errno == ENOENT)
        return Error{ENOENT, function_ + ": no such function in the running kernel"};
    return failure(errno, "attach");
}

void CallProbe::stop() {
    skeleton_->bss->complete = 0;
    for (Link* link : {&entry_, &return_}) {
        missed_ += missed_by(**link);
        link->reset();
    }
}

Result<Summary> CallProbe::read() const {
    const __u32 only = 0;
    std::vector<call_stats> cpus = one_per_cpu();

    if (int error = bpf_map__lookup_elem(skeleton_->maps.stats, &only, sizeof(only), cpus.data(),
                                         cpus.size() * sizeof(call_stats), 0))
        return failure(-error, "read");

    const auto [entry, ret] = programs(*skeleton_, mode_);
    Missed missed = missed_;
    for (const Link* link : {&entry_, &return_})
        if (*link)
            missed += missed_by(**link);
    missed += missed_by(*entry);
    missed += missed_by(*ret);

    const std::span<const call> slots(skeleton_->bss->in_flight);
    const auto unreturned =
        std::ranges::count_if(slots, [](const call& c) { return c.frame != 0; });
    Summary all = summarize(cpus, missed.hits, static_cast<std::uint64_t>(unreturned));
    all.lost_is_exact = missed.exact;
    return all;
}

} // namespace latency
