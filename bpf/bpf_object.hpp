/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by all probes: ownership of links, and the hits that the kernel dropped. */
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "testexp.hpp"

struct bpf_link;
struct bpf_map;
struct bpf_program;

namespace latency {

/*
 * The kind of probe. fentry needs BTF of the function, a kprobe needs its symbol. A tracepoint
 * needs no function, but tells of few events, and of none how long it took.
 */
enum class Mode { fentry, kprobe, tracepoint };

inline constexpr Mode all_modes[] = {Mode::fentry, Mode::kprobe, Mode::tracepoint};

std::string_view mode_name(Mode mode);

/* The mode with this name, or nothing. */
std::optional<Mode> mode_named(std::string_view name);

struct LinkDeleter {
    void operator()(bpf_link* link) const;
};
using Link = std::unique_ptr<bpf_link, LinkDeleter>;

/* Hits that the kernel did not pass to a program. */
struct Missed {
    std::uint64_t hits = 0;
    bool exact = true; /* else the kernel may have dropped more than it reports */

    Missed& operator+=(const Missed& other);
};

/**
 * Hits of a kprobe that the kernel dropped, e.g. for want of a return instance;
 * none for other links. Linux 6.7 and later count them.
 */
Missed missed_by(const bpf_link& link);

/* Runs that the kernel skipped because the program was already running on that CPU. */
Missed missed_by(const bpf_program& program);

/* The errno @error as an Error: "cannot @what: text of errno". */
testexp::Error failure(int error, const std::string& what);

/* Why @program could not be attached, from errno @error; names a tracepoint that is not there. */
testexp::Error attach_failure(int error, const bpf_program* program);

/* Whether programs can read the kernel's structures, and fentry find its functions. */
bool kernel_has_btf();

/* Counts the entries of a hash map whose keys have 64 bits. */
std::uint64_t count_entries(const bpf_map* map);

/* Runs an iterator program to its end. */
testexp::Status run_iterator(const bpf_program* program);

/* One line that says why no BPF program can be loaded here, or nothing. */
std::optional<std::string> why_unusable();

/* Lets libbpf print all of its messages on standard error, or none. */
void set_verbose(bool verbose);

} // namespace latency
