/* SPDX-License-Identifier: GPL-2.0 */
/* The sections of the report, and the report as a whole. */
#pragma once

#include <optional>

#include "document.hpp"
#include "run_dir.hpp"

namespace report {

/*
 * Makes one section. Nothing when the run has no such part and a reader need not know. What is
 * missing or damaged goes into @run.
 */
using MakeSection = std::optional<Section>(RunDir& run);

/*
 * A section stands in a file NAME_section.cpp. The build takes every such file. To add a
 * section, add the file, and its function here: once declared, once in its place in the report.
 */
MakeSection conditions_section, environment_section, test_section, exporters_section,
    instruction_section, kernels_section, contention_section, time_section, probe_cost_section,
    call_section, lock_section, paths_section, perf_section, regression_section, mutants_section,
    log_section;

inline constexpr MakeSection* sections[] = {
    conditions_section,  environment_section, test_section,    paths_section,
    instruction_section, exporters_section,   kernels_section, contention_section,
    time_section,        probe_cost_section,  call_section,    lock_section,
    perf_section,        regression_section,  mutants_section, log_section,
};

Document make_document(RunDir& run);

} // namespace report
