/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether the clock of MEASURE, the TSC, counts something that a reader may rely on.
 * What a machine says of it is read in one place and judged in another, so that the
 * judgement can be tested for machines that are not there.
 */
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace testexp {

struct ClockFacts {
    std::string declared;        /* by who started this machine, or "" */
    bool has_cpuid = false;      /* else the next three say nothing */
    bool is_guest = false;       /* the hypervisor bit */
    bool invariant_tsc = false;  /* the same rate in every state of the processor */
    bool kvm_stable_tsc = false; /* KVM says: the same time on all processors */
    std::string hypervisor;      /* its signature, or "" */
    std::string clocksource;     /* of the kernel, or "" */
    std::string xen;             /* /sys/hypervisor/type, or "" */
    std::string machine;         /* vendor and product of the firmware (DMI), or "" */
};

struct ClockVerdict {
    std::string clock; /* "icount", "tsc" or "invalid" */
    std::string why;
};

/* @declared is DMABUF_PFN_CLOCK of the environment; files are looked for under @root. */
ClockFacts read_clock_facts(const std::filesystem::path& root = "/");

/**
 * What was declared holds. Otherwise the clock is "tsc" where everything speaks for it,
 * and "invalid" where anything is in doubt: an emulator may hide itself.
 */
ClockVerdict judge_clock(const ClockFacts& facts);

} // namespace testexp
