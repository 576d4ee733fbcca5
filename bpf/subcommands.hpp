/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The subcommands of dmabuf-lat. Each adds itself to the command line; what it is
 * to do once that is read, it leaves in @run.
 */
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace latency {

/* Returns the exit status; throws CLI::ParseError when the options make no sense. */
using Run = std::function<int()>;

/* @command: what stood behind "--". */
void add_calls(CLI::App& app, const std::vector<std::string>& command, Run& run);
void add_locks(CLI::App& app, const std::vector<std::string>& command, Run& run);
void add_export(CLI::App& app, Run& run);

} // namespace latency
