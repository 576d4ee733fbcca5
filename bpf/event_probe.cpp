// SPDX-License-Identifier: GPL-2.0
#include "event_probe.hpp"

#include <bpf/libbpf.h>

#include <cerrno>

#include "hist.hpp"
#include "hist_table.h"
#include "stats.hpp"

#include "events.skel.h"

namespace latency {
namespace {

using testexp::Error;
using testexp::Result;
using testexp::Status;

static_assert(sizeof(event_stats) % 8 == 0);

std::vector<event_stats> one_per_cpu() {
    const int cpus = libbpf_num_possible_cpus();
    event_stats empty{};

    for (testexp_hist& hist : empty.hists)
        testexp_hist_reset(&hist);
    return std::vector<event_stats>(cpus > 0 ? cpus : 1, empty);
}

} // namespace

void EventProbe::SkeletonDeleter::operator()(events_bpf* skeleton) const {
    events_bpf__destroy(skeleton);
}

EventProbe::EventProbe(EventProbe&&) noexcept = default;
EventProbe& EventProbe::operator=(EventProbe&&) noexcept = default;
EventProbe::~EventProbe() = default;

Result<EventProbe> EventProbe::attach(pid_t tgid) {
    if (!kernel_has_btf())
        return Error{ENOTSUP, "the kernel has no BTF, and the tracepoints need it"};

    EventProbe probe;
    if (Status loaded = probe.load(tgid); !loaded)
        return loaded.error();
    if (Status started = probe.start(); !started)
        return started.error();
    return probe;
}

Status EventProbe::load(pid_t tgid) {
    skeleton_.reset(events_bpf__open());
    if (!skeleton_)
        return failure(errno, "open events.bpf.o");
    hist_table_fill(std::begin(skeleton_->rodata->hist_table));
    skeleton_->rodata->filter_tgid = static_cast<__u32>(tgid);
    if (int error = events_bpf__load(skeleton_.get()))
        return failure(-error, "load events.bpf.o");

    const __u32 only = 0;
    const std::vector<event_stats> cpus = one_per_cpu();
    if (int error = bpf_map__update_elem(skeleton_->maps.stats, &only, sizeof(only), cpus.data(),
                                         cpus.size() * sizeof(event_stats), BPF_ANY))
        return failure(-error, "prepare the histograms");
    return std::monostate{};
}

/* The end of an attachment comes first, so that no beginning is seen without its end. */
Status EventProbe::start() {
    const auto& programs = skeleton_->progs;

    for (const bpf_program* program :
         {programs.on_detach, programs.on_attach, programs.on_export}) {
        links_.emplace_back(bpf_program__attach(program));
        if (!links_.back())
            return attach_failure(errno, program);
    }
    return std::monostate{};
}

void EventProbe::stop() {
    links_.clear();
}

Result<EventReport> EventProbe::read() const {
    const __u32 only = 0;
    const auto& programs = skeleton_->progs;
    std::vector<event_stats> cpus = one_per_cpu();
    EventReport report;

    if (int error = bpf_map__lookup_elem(skeleton_->maps.stats, &only, sizeof(only), cpus.data(),
                                         cpus.size() * sizeof(event_stats), 0))
        return failure(-error, "read the histograms");
    report.hists.fill(testexp::empty_hist());
    for (const event_stats& cpu : cpus) {
        for (std::size_t which = 0; which < EVENT_HISTS; which++)
            merge_counted(report.hists[which], cpu.hists[which]);
        report.lost += cpu.lost;
        report.unmatched += cpu.unmatched;
    }
    report.unended = count_entries(skeleton_->maps.attached);
    for (const bpf_program* program : {programs.on_detach, programs.on_attach, programs.on_export})
        report.missed += missed_by(*program);
    return report;
}

} // namespace latency
