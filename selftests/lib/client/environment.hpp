/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Describes the machine and the kernel that made a result. Every result file contains this, because
 * numbers of different environments cannot be compared.
 */
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "testexp_uapi.h"

namespace testexp {

/* Names and values, in the order for display. */
using Facts = std::vector<std::pair<std::string, std::string>>;

/* Unknown values are "unknown". */
struct Environment {
    std::string clock;     /* "icount", "tsc", or "invalid" if times mean nothing */
    std::string clock_why; /* the reason for clock */
    std::string unit;      /* of one tick of MEASURE: "instructions", "TSC cycles" or "ns" */
    std::string kernel;    /* release of the kernel */
    std::string flavour;   /* name of one of this project's kernels, or "running" */
    std::string api;       /* "native", "compat", or "unknown" without the module */
    std::string abi;       /* version of the module's ABI */
    std::vector<std::string> debug_options; /* options that are on and distort measurements */
    std::string revision;                   /* of this project */
    std::string dma; /* addresses of the importers: "direct", "iommu", "swiotlb" or "unknown" */
    std::string kernel_compiler;
    std::string compiler; /* that compiled this program */
    std::string cpu;
    std::string cpus; /* number of processors online */
    std::string memory;
    std::string virtualisation; /* signature of the hypervisor, or "none" */
    std::string clocksource;
    std::string governor; /* of all processors; several if they differ */
    std::string turbo;
    std::string smt;
    std::string isolated;  /* processors without scheduled tasks (isolcpus), or "none" */
    std::string load;      /* load average of the last minute */
    std::string running;   /* number of other tasks that are running or ready to run */
    std::string throttled; /* number of times that heat slowed a processor since boot */
    std::string mitigations;
    std::string tuned; /* what scripts/lib/tune changed, or "none" */
    std::string cmdline;

    Facts facts() const;
};

/**
 * Reads the environment of this process. @info is the module's INFO if the module is loaded. Files
 * of /proc and /sys are looked for under @root.
 *
 * A guest cannot know some of the values. Whoever starts the guest sets DMABUF_PFN_CLOCK,
 * DMABUF_PFN_FLAVOUR and DMABUF_PFN_REVISION; scripts/lib/tune sets DMABUF_PFN_TUNED. Without
 * DMABUF_PFN_CLOCK the machine itself is asked, see clock_facts.hpp.
 */
Environment read_environment(const std::optional<testexp_info>& info,
                             const std::filesystem::path& root = "/");

} // namespace testexp
