// SPDX-License-Identifier: GPL-2.0
#include "bpf_object.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/perf_event.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace latency {
namespace {

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

int print_verbosely(libbpf_print_level, const char* format, va_list args) {
    return std::vfprintf(stderr, format, args);
}

} // namespace

std::string_view mode_name(Mode mode) {
    constexpr std::string_view names[] = {"fentry", "kprobe", "tracepoint"};
    return names[static_cast<std::size_t>(mode)];
}

std::optional<Mode> mode_named(std::string_view name) {
    const auto* const found = std::ranges::find(all_modes, name, mode_name);
    return found == std::end(all_modes) ? std::nullopt : std::optional(*found);
}

void LinkDeleter::operator()(bpf_link* link) const {
    bpf_link__destroy(link);
}

Missed& Missed::operator+=(const Missed& other) {
    hits += other.hits;
    exact &= other.exact;
    return *this;
}

Missed missed_by(const bpf_link& link) {
    KprobeLinkInfo info{};
    __u32 size = sizeof(info);

    if (bpf_obj_get_info_by_fd(bpf_link__fd(&link), &info, &size))
        return {0, false};
    if (info.type != BPF_LINK_TYPE_PERF_EVENT)
        return {};
    if (size < sizeof(info) || info.perf_event_type == 0)
        return {0, false};
    return {info.missed, true};
}

Missed missed_by(const bpf_program& program) {
    bpf_prog_info info{};
    __u32 size = sizeof(info);

    if (bpf_obj_get_info_by_fd(bpf_program__fd(&program), &info, &size))
        return {0, false};
    return {info.recursion_misses, true};
}

testexp::Error failure(int error, const std::string& what) {
    return {error, fmt::format("cannot {}: {}", what, strerrordesc_np(error))};
}

testexp::Error attach_failure(int error, const bpf_program* program) {
    const std::string_view section = bpf_program__section_name(program);
    constexpr std::string_view tracepoint = "raw_tp/";

    if (error == ENOENT && section.starts_with(tracepoint))
        return {error, fmt::format("this kernel has no tracepoint {}; Linux 7.3 has it",
                                   section.substr(tracepoint.size()))};
    return failure(error, fmt::format("attach {}", section));
}

std::uint64_t count_entries(const bpf_map* map) {
    std::uint64_t count = 0;
    __u64 key = 0;
    const void* previous = nullptr;

    while (!bpf_map__get_next_key(map, previous, &key, sizeof(key))) {
        previous = &key;
        count++;
    }
    return count;
}

bool kernel_has_btf() {
    const std::unique_ptr<btf, decltype(&btf__free)> kernel(btf__load_vmlinux_btf(), btf__free);
    return kernel != nullptr;
}

testexp::Status run_iterator(const bpf_program* program) {
    const Link link(bpf_program__attach_iter(program, nullptr));
    if (!link)
        return failure(errno, "attach an iterator");
    const testexp::Fd iterator(bpf_iter_create(bpf_link__fd(link.get())));
    if (!iterator)
        return failure(errno, "make an iterator");

    std::array<char, 256> nothing{};
    ssize_t length = 0;
    do
        length = read(iterator.get(), nothing.data(), nothing.size());
    while (length > 0 || (length < 0 && errno == EAGAIN));
    if (length < 0)
        return failure(errno, "run an iterator");
    return std::monostate{};
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
