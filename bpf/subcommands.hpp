/* SPDX-License-Identifier: GPL-2.0 */
/* The subcommands of dmabuf-lat. */
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace latency {

/* Returns the exit status; throws CLI::ParseError when the options contradict each other. */
using Run = std::function<int()>;

/*
 * Adds a subcommand to the command line. Once the command line is read, @run holds the work of
 * the subcommand that was named.
 * @command: the words behind "--".
 */
using AddSubcommand = void(CLI::App& app, const std::vector<std::string>& command, Run& run);

/*
 * A subcommand stands in a file NAME_command.cpp. The build takes every such file. To add a
 * subcommand, add the file, and its function here: once declared, once in its place in --help.
 */
AddSubcommand add_calls, add_locks, add_balance, add_export;

inline constexpr AddSubcommand* subcommands[] = {add_calls, add_locks, add_balance, add_export};

} // namespace latency
