/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What both tools give to people and to files.
 */
#pragma once

#include <filesystem>
#include <istream>
#include <span>
#include <string>
#include <vector>

#include "environment.hpp"
#include "hist_json.hpp"
#include "testexp.hpp"

namespace latency {

using Histograms = std::vector<testexp::NamedHistogram>;

/* The label "tool" of what dmabuf-lat took itself. */
inline constexpr const char* tool_name = "dmabuf-lat";

/**
 * An empty histogram of @function in ns, labelled with the tool that took it, how
 * the kernel called it ("fentry" or "kprobe"), and where that was.
 */
testexp::NamedHistogram named(const std::string& function, const std::string& tool,
                              const std::string& mode, const testexp::Environment& environment);

/* One row for each function, below a line that says what the clock is worth. */
std::string table(std::span<const testexp::NamedHistogram> histograms, const std::string& clock);

/* Reads the text of a latency.json, which @name is called in the error. */
testexp::Result<Histograms> parse_histograms(std::istream& text, const std::string& name);

/* Reads a latency.json; a file that is not there yet has no histograms. */
testexp::Result<Histograms> read_histograms(const std::filesystem::path& path);

/* The text of a latency.json: one line for each. */
std::string json_text(std::span<const testexp::NamedHistogram> histograms);

/* The environment with what the module says, if it is loaded. */
testexp::Environment current_environment();

} // namespace latency
