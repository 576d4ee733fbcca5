// SPDX-License-Identifier: GPL-2.0
#include "exporter_watch.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "exporters.h"

#include "exporters.skel.h"

namespace latency {
namespace {

using testexp::Error;
using testexp::Result;
using testexp::Status;

#define OP_NAME(op) #op,
constexpr const char* op_names[] = {EXPORTER_OPS(OP_NAME) IMPORTER_OPS(OP_NAME)};
#undef OP_NAME

} // namespace

void ExporterWatch::SkeletonDeleter::operator()(exporters_bpf* skeleton) const {
    exporters_bpf__destroy(skeleton);
}

ExporterWatch::ExporterWatch(ExporterWatch&&) noexcept = default;
ExporterWatch& ExporterWatch::operator=(ExporterWatch&&) noexcept = default;
ExporterWatch::~ExporterWatch() = default;

Result<ExporterWatch> ExporterWatch::attach(std::optional<Mode> mode,
                                            std::span<const std::uint64_t> tables) {
    if (!kernel_has_btf())
        return Error{ENOTSUP, "the kernel has no BTF"};
    if (!mode) {
        Result<ExporterWatch> first = attach(all_modes[0], tables);
        for (std::size_t next = 1; !first && next < std::size(all_modes); next++)
            if (Result<ExporterWatch> watch = attach(all_modes[next], tables))
                return watch;
        return first;
    }

    ExporterWatch watch;
    if (Status loaded = watch.load(*mode); !loaded)
        return loaded.error();
    if (Status started = watch.start(tables); !started)
        return started.error();
    return watch;
}

Status ExporterWatch::load(Mode mode) {
    skeleton_.reset(exporters_bpf__open());
    if (!skeleton_)
        return failure(errno, "open exporters.bpf.o");

    const auto& programs = skeleton_->progs;
    for (bpf_program* program : {programs.export_fentry, programs.attach_fentry})
        bpf_program__set_autoload(program, mode == Mode::fentry);
    for (bpf_program* program : {programs.export_kprobe, programs.attach_kprobe})
        bpf_program__set_autoload(program, mode == Mode::kprobe);
    for (bpf_program* program : {programs.export_tracepoint, programs.attach_tracepoint})
        bpf_program__set_autoload(program, mode == Mode::tracepoint);
    if (int error = exporters_bpf__load(skeleton_.get()))
        return failure(-error, "load exporters.bpf.o");
    return std::monostate{};
}

/* First watch for new buffers, then list the present ones: so none is missed in between. */
Status ExporterWatch::start(std::span<const std::uint64_t> tables) {
    const auto& programs = skeleton_->progs;

    for (const bpf_program* program :
         {programs.export_fentry, programs.export_kprobe, programs.export_tracepoint,
          programs.attach_fentry, programs.attach_kprobe, programs.attach_tracepoint}) {
        if (!bpf_program__autoload(program))
            continue;
        links_.emplace_back(bpf_program__attach(program));
        if (!links_.back())
            return attach_failure(errno, program);
    }
    for (const bpf_program* program : {programs.walk_files, programs.walk_mappings})
        if (Status done = run_iterator(program); !done)
            return done;
    LIBBPF_OPTS(bpf_test_run_opts, no_context);
    if (int error = bpf_prog_test_run_opts(bpf_program__fd(programs.find_members), &no_context))
        return failure(-error, "look for the callbacks of this kernel");
    for (const std::uint64_t table : tables) {
        read_table context{.ops = table};
        LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &context, .ctx_size_in = sizeof(context));

        if (int error = bpf_prog_test_run_opts(bpf_program__fd(programs.read_table), &run))
            return failure(-error, "read an ops table");
    }
    return std::monostate{};
}

std::vector<Callback> ExporterWatch::callbacks() const {
    std::vector<Callback> found;
    callback key{};
    callback_owner owner{};
    const bpf_map* map = skeleton_->maps.callbacks;

    for (const callback* previous = nullptr;
         !bpf_map__get_next_key(map, previous, &key, sizeof(key)); previous = &key)
        if (!bpf_map__lookup_elem(map, &key, sizeof(key), &owner, sizeof(owner), 0))
            found.push_back({key.function, op_names[key.op], owner.exporter});
    std::ranges::sort(found, {},
                      [](const Callback& one) { return std::pair(one.function, one.op); });
    return found;
}

bool ExporterWatch::has(std::string_view op) const {
    const auto* const found = std::ranges::find(op_names, op);
    return found != std::end(op_names) &&
           (skeleton_->bss->members & 1U << (found - std::begin(op_names))) != 0;
}

std::vector<std::string> ExporterWatch::absent() const {
    std::vector<std::string> names;

#define NOTE_ABSENT(op)                                                                            \
    if (!has(#op))                                                                                 \
        names.emplace_back(#op);
    EXPORTER_OPS(NOTE_ABSENT)
#undef NOTE_ABSENT
#define OR_HAS(op) || has(#op)
    if (!(false IMPORTER_OPS(OR_HAS)))
        names.emplace_back("invalidate_mappings or move_notify");
#undef OR_HAS
    return names;
}

std::uint64_t ExporterWatch::nr_too_many() const {
    return skeleton_->bss->callbacks_full;
}

} // namespace latency
