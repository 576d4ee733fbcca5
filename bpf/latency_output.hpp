/* SPDX-License-Identifier: GPL-2.0 */
/* Histograms as a table for people and as the JSON of latency.json. */
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

/* The value of the label "tool" for histograms that dmabuf-lat took itself. */
inline constexpr const char* tool_name = "dmabuf-lat";

/**
 * An empty histogram of @function in ns, with labels for the tool that took it, the
 * kind of probe ("fentry", "kprobe" or "tracepoint"), and the environment.
 */
testexp::NamedHistogram named(const std::string& function, const std::string& tool,
                              const std::string& mode, const testexp::Environment& environment);

/*
 * A line for each clock that says whether the clock can be trusted, and a row for each function.
 * Rows have their clock when there are several.
 */
std::string table(std::span<const testexp::NamedHistogram> histograms);

/* Reads the text of a latency.json, which errors call @name. */
testexp::Result<Histograms> parse_histograms(std::istream& text, const std::string& name);

/* Reads a latency.json; a file that is not there yet has no histograms. */
testexp::Result<Histograms> read_histograms(const std::filesystem::path& path);

/* The text of a latency.json: one line for each. */
std::string json_text(std::span<const testexp::NamedHistogram> histograms);

/* The environment with what the module says, if it is loaded. */
testexp::Environment current_environment();

} // namespace latency
