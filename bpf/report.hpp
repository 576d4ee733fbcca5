/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What both tools give to people and to files.
 */
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "environment.hpp"
#include "hist_json.hpp"
#include "testexp.hpp"

namespace latency {

using Histograms = std::vector<testexp::NamedHistogram>;

/**
 * An empty histogram of @function in ns, labelled with the tool that took it, how
 * the kernel called it ("fentry" or "kprobe"), and where that was.
 */
testexp::NamedHistogram named(const std::string& function, const std::string& tool,
                              const std::string& mode, const testexp::Environment& environment);

/* One row for each function, below a line that says what the clock is worth. */
std::string table(std::span<const testexp::NamedHistogram> histograms, const std::string& clock);

/* Reads a latency.json; a file that is not there yet has no histograms. */
testexp::Result<Histograms> read_histograms(const std::filesystem::path& path);

/* The text of a latency.json: one line for each. */
std::string json_text(std::span<const testexp::NamedHistogram> histograms);

/* The environment with what the module says, if it is loaded. */
testexp::Environment current_environment();

} // namespace latency
