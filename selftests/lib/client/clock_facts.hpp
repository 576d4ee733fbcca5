/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether the clock of MEASURE, the TSC, is reliable.
 *
 * Reading the facts and judging them are separate functions, so that unit tests can judge machines
 * that do not exist.
 */
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace testexp {

struct ClockFacts {
    std::string declared;   /* DMABUF_PFN_CLOCK: what whoever started this machine says, or "" */
    bool has_cpuid = false; /* if false, the next three fields mean nothing */
    bool is_guest = false;  /* CPUID's hypervisor bit */
    bool invariant_tsc = false;  /* the TSC runs at the same rate in every state of the processor */
    bool kvm_stable_tsc = false; /* KVM promises the same time on all processors */
    std::string hypervisor;      /* the hypervisor's signature, or "" */
    std::string clocksource;     /* the kernel's clock source, or "" */
    std::string xen;             /* /sys/hypervisor/type, or "" */
    std::string machine;         /* vendor and product of the firmware (DMI), or "" */
};

struct ClockVerdict {
    std::string clock; /* "icount", "tsc" or "invalid" */
    std::string why;
};

/* Looks for files under @root; @declared comes from the environment variable DMABUF_PFN_CLOCK. */
ClockFacts read_clock_facts(const std::filesystem::path& root = "/");

/**
 * A declared clock is accepted. Otherwise the clock is "tsc" if every fact speaks for it, and
 * "invalid" if any fact is in doubt, because an emulator may hide itself.
 */
ClockVerdict judge_clock(const ClockFacts& facts);

} // namespace testexp
