/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every probe needs of libbpf: ownership of links, and what the kernel says
 * it dropped.
 */
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "testexp.hpp"

struct bpf_link;
struct bpf_program;

namespace latency {

/* How the kernel calls us. fentry needs BTF for the function, a kprobe its symbol. */
enum class Mode { fentry, kprobe };

std::string_view mode_name(Mode mode);

struct LinkDeleter {
    void operator()(bpf_link* link) const;
};
using Link = std::unique_ptr<bpf_link, LinkDeleter>;

/* What the kernel did not let a program see. */
struct Missed {
    std::uint64_t hits = 0;
    bool exact = true; /* else there may be more than the kernel tells */

    Missed& operator+=(const Missed& other);
};

/**
 * Hits of a kprobe that the kernel dropped, e.g. for want of a return instance;
 * none for other links. Linux 6.7 and later count them.
 */
Missed missed_by(const bpf_link& link);

/* Runs of a program that the kernel skipped, as one was under way on that CPU. */
Missed missed_by(const bpf_program& program);

/* The errno @error as an Error: "cannot @what: text of errno". */
testexp::Error failure(int error, const std::string& what);

/* Whether programs can read the kernel's structures, and fentry find its functions. */
bool kernel_has_btf();

/* Runs an iterator over everything there is. */
testexp::Status run_iterator(const bpf_program* program);

/* One line that says why no BPF program can be loaded here, or nothing. */
std::optional<std::string> why_unusable();

/* Lets libbpf say everything, or nothing, on standard error. */
void set_verbose(bool verbose);

} // namespace latency
