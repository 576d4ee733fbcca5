/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Waits for the traced command or process. The signals are blocked, so Ctrl-C ends the wait
 * and never the program.
 */
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "testexp.hpp"

namespace latency {

/* Call this first. From then on SIGINT and SIGTERM only end a wait. */
void block_signals();

/**
 * Runs @argv, a command that is looked up in PATH, until it ends. Passes on SIGTERM, and a SIGINT
 * that another process sent; the terminal sends Ctrl-C to the command itself. Returns the command's
 * exit status, or 128 + N if signal N ended the command. Fails when the command does not start.
 */
testexp::Result<int> run_command(const std::vector<std::string>& argv);

/* What ended a wait. */
enum class End { duration, process, signal };

/**
 * Waits until @duration is over, process @pid ends (0: none), or SIGINT or
 * SIGTERM comes. Calls @progress with the elapsed time every ten seconds.
 */
End wait_for(std::optional<std::chrono::duration<double>> duration, pid_t pid,
             const std::function<void(std::chrono::seconds)>& progress);

} // namespace latency
