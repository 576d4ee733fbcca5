// SPDX-License-Identifier: GPL-2.0
#include "buffer_watch.hpp"

#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <cerrno>
#include <cstring>

#include "locks.h"

#include "buffers.skel.h"

namespace latency {

using testexp::Error;
using testexp::Result;
using testexp::Status;

void BufferWatch::SkeletonDeleter::operator()(buffers_bpf* skeleton) const {
    buffers_bpf__destroy(skeleton);
}

BufferWatch::BufferWatch(BufferWatch&&) noexcept = default;
BufferWatch& BufferWatch::operator=(BufferWatch&&) noexcept = default;
BufferWatch::~BufferWatch() = default;

Result<BufferWatch> BufferWatch::attach(const BufferOptions& options, int locks_fd) {
    if (!options.mode) {
        BufferOptions chosen = options;
        chosen.mode = Mode::fentry;
        Result<BufferWatch> watch = attach(chosen, locks_fd);
        if (watch || watch.code() == ENOTSUP)
            return watch;
        chosen.mode = Mode::kprobe;
        return attach(chosen, locks_fd);
    }
    if (!kernel_has_btf())
        return Error{ENOTSUP, "the kernel has no BTF"};

    BufferWatch watch;
    watch.mode_ = *options.mode;
    if (Status loaded = watch.load(options, locks_fd); !loaded)
        return loaded.error();
    if (Status started = watch.start(options); !started)
        return started.error();
    return watch;
}

Status BufferWatch::load(const BufferOptions& options, int locks_fd) {
    skeleton_.reset(buffers_bpf__open());
    if (!skeleton_)
        return failure(errno, "open buffers.bpf.o");

    auto& set = *skeleton_->rodata;
    if (options.descriptor) {
        set.only_tgid = static_cast<__u32>(options.descriptor->pid);
        set.only_fd = static_cast<__u32>(options.descriptor->fd);
    }
    options.exporter.copy(const_cast<char*>(set.only_exporter), sizeof(set.only_exporter) - 1);

    const auto& programs = skeleton_->progs;
    const bool later_ones = !options.descriptor;
    bpf_program__set_autoload(programs.export_fexit, later_ones && mode_ == Mode::fentry);
    bpf_program__set_autoload(programs.export_kretprobe, later_ones && mode_ == Mode::kprobe);
    bpf_program__set_autoload(programs.export_tracepoint, later_ones && mode_ == Mode::tracepoint);
    bpf_program__set_autoload(programs.release_fentry, mode_ == Mode::fentry);
    bpf_program__set_autoload(programs.release_kprobe, mode_ == Mode::kprobe);
    bpf_map__set_max_entries(skeleton_->maps.buffers, options.max_buffers);
    if (int error = bpf_map__reuse_fd(skeleton_->maps.locks, locks_fd))
        return failure(-error, "share the map of locks");
    if (int error = buffers_bpf__load(skeleton_.get()))
        return failure(-error, "load buffers.bpf.o");
    return std::monostate{};
}

/* First watch for new buffers, then list the present ones: so none is missed in between. */
Status BufferWatch::start(const BufferOptions& options) {
    for (const bpf_program* program :
         {skeleton_->progs.release_fentry, skeleton_->progs.release_kprobe,
          skeleton_->progs.export_fexit, skeleton_->progs.export_kretprobe,
          skeleton_->progs.export_tracepoint}) {
        if (!bpf_program__autoload(program))
            continue;
        links_.emplace_back(bpf_program__attach(program));
        if (!links_.back())
            return attach_failure(errno, program);
    }
    for (const bpf_program* program : {skeleton_->progs.walk_files, skeleton_->progs.walk_mappings})
        if (Status done = run_iterator(program); !done)
            return done;
    if (options.descriptor && nr_buffers() == 0)
        return Error{ENOENT, fmt::format("descriptor {} of process {} is no dma-buf",
                                         options.descriptor->fd, options.descriptor->pid)};
    return std::monostate{};
}

std::uint64_t BufferWatch::nr_buffers() const {
    return count_entries(skeleton_->maps.buffers);
}

std::uint64_t BufferWatch::nr_too_many() const {
    return skeleton_->bss->buffers_full;
}

} // namespace latency
