/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a result was made. A number without this cannot be compared with any
 * other, so it goes into every result file.
 */
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "testexp_uapi.h"

namespace testexp {

/* Names and values in the order in which they should be shown. */
using Facts = std::vector<std::pair<std::string, std::string>>;

/* Values that could not be found out are "unknown". */
struct Environment {
    std::string clock;     /* "icount", "tsc", or "invalid": times mean nothing */
    std::string clock_why; /* what makes it that */
    std::string unit;      /* of one tick of MEASURE: "instructions", "cycles" or "ns" */
    std::string kernel;    /* release */
    std::string flavour;   /* kernel config of this project, or "running" */
    std::string api;       /* "native", "compat", or "unknown" without the module */
    std::string abi;       /* version of the module's ABI */
    std::vector<std::string> debug_options; /* that are on and make numbers worthless */
    std::string revision;                   /* of this project */
    std::string dma; /* of the module's importers: "direct", "iommu", "swiotlb", or "unknown" */
    std::string kernel_compiler;
    std::string compiler; /* of this program */
    std::string cpu;
    std::string cpus; /* online */
    std::string memory;
    std::string virtualisation; /* signature of the hypervisor, or "none" */
    std::string clocksource;
    std::string governor; /* of all processors; more than one if they differ */
    std::string turbo;
    std::string smt;
    std::string isolated;  /* processors that the scheduler leaves alone, or "none" */
    std::string load;      /* average of the last minute */
    std::string running;   /* other tasks that were running, or ready to */
    std::string throttled; /* how often heat slowed a processor down since boot */
    std::string mitigations;
    std::string tuned; /* what scripts/lib/tune changed, or "none" */
    std::string cmdline;

    Facts facts() const;
};

/**
 * Reads the environment of this process. @info is the module's, if it is there.
 * The files of /proc and /sys are looked for under @root.
 *
 * What only the caller of a guest knows comes from the variables
 * DMABUF_PFN_CLOCK, DMABUF_PFN_FLAVOUR and DMABUF_PFN_REVISION; DMABUF_PFN_TUNED
 * comes from scripts/lib/tune. Without the first the machine itself is asked: see
 * clock_facts.hpp.
 */
Environment read_environment(const std::optional<testexp_info>& info,
                             const std::filesystem::path& root = "/");

} // namespace testexp
