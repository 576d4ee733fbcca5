// SPDX-License-Identifier: GPL-2.0
#include "balance_probe.hpp"

#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "balance.skel.h"

namespace latency {
namespace {

using testexp::Error;
using testexp::Result;
using testexp::Status;

/* A callback in its pair. */
struct Place {
    __u64 pair;
    bool undoes;
};

std::optional<Place> place_of(const Callback& callback) {
    for (__u64 pair = 0; pair < BALANCE_PAIRS; pair++) {
        const auto& [does, undoes] = balance_pairs[pair];
        if (callback.op == does || callback.op == undoes)
            return Place{pair, callback.op == undoes};
    }
    return std::nullopt;
}

Link hook(const bpf_program* program, const Callback& callback, __u64 pair, bool at_return) {
    LIBBPF_OPTS(bpf_kprobe_opts, options, .bpf_cookie = pair, .offset = callback.function,
                .retprobe = at_return);
    return Link(bpf_program__attach_kprobe_opts(program, nullptr, &options));
}

} // namespace

bool is_balanced(const Callback& callback) {
    return place_of(callback).has_value();
}

void BalanceProbe::SkeletonDeleter::operator()(balance_bpf* skeleton) const {
    balance_bpf__destroy(skeleton);
}

BalanceProbe::BalanceProbe(BalanceProbe&&) noexcept = default;
BalanceProbe& BalanceProbe::operator=(BalanceProbe&&) noexcept = default;
BalanceProbe::~BalanceProbe() = default;

Result<BalanceProbe> BalanceProbe::attach(std::span<const Callback> callbacks) {
    if (!kernel_has_btf())
        return Error{ENOTSUP, "the kernel has no BTF, and the programs find buffers by it"};

    BalanceProbe probe;
    probe.skeleton_.reset(balance_bpf__open_and_load());
    if (!probe.skeleton_)
        return failure(errno, "load balance.bpf.o");
    if (Status started = probe.start(callbacks); !started)
        return started.error();
    probe.skeleton_->bss->complete = 1;
    return probe;
}

/* The return of a call comes first, so that no call is seen only on its way in. */
Status BalanceProbe::start(std::span<const Callback> callbacks) {
    const auto& programs = skeleton_->progs;

    for (const Callback& callback : callbacks) {
        const auto place = place_of(callback);
        if (!place)
            continue;
        if (place->undoes) {
            links_.push_back(hook(programs.enter_undo, callback, place->pair, false));
        } else {
            links_.push_back(hook(programs.return_do, callback, place->pair, true));
            if (links_.back())
                links_.push_back(hook(programs.enter_do, callback, place->pair, false));
        }
        if (!links_.back())
            return failure(
                errno, fmt::format("attach a kprobe to {} of {}", callback.op, callback.exporter));
    }
    return std::monostate{};
}

void BalanceProbe::stop() {
    skeleton_->bss->complete = 0;
    for (const Link& link : links_)
        missed_ += missed_by(*link);
    links_.clear();
}

BalanceReport BalanceProbe::read() const {
    BalanceReport report;
    Missed missed = missed_;
    const auto& programs = skeleton_->progs;
    const bpf_map* map = skeleton_->maps.buffers;
    __u64 inode = 0;

    for (const __u64* previous = nullptr;
         !bpf_map__get_next_key(map, previous, &inode, sizeof(inode)); previous = &inode) {
        BufferBalance buffer{.inode = inode};
        if (!bpf_map__lookup_elem(map, &inode, sizeof(inode), &buffer.counts, sizeof(buffer.counts),
                                  0))
            report.buffers.push_back(buffer);
    }
    std::ranges::sort(report.buffers, {}, &BufferBalance::inode);

    for (const bpf_program* program : {programs.enter_do, programs.return_do, programs.enter_undo})
        missed += missed_by(*program);
    report.lost = missed.hits + skeleton_->bss->lost + skeleton_->bss->unmatched +
                  count_entries(skeleton_->maps.in_flight);
    report.lost_is_exact = missed.exact;
    return report;
}

} // namespace latency
