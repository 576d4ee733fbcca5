/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Waiting for what is being traced. All of it works on blocked signals, so that
 * Ctrl-C ends the waiting and never the program.
 */
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "testexp.hpp"

namespace latency {

/* To be called first: from here on SIGINT and SIGTERM only end a wait. */
void block_signals();

/**
 * Runs @argv, looked up in PATH, until it ends; SIGTERM and a SIGINT that it did
 * not get from the terminal itself are passed on to it. Returns its exit status,
 * 128 + N if signal N ended it. Fails when it cannot be started.
 */
testexp::Result<int> run_command(const std::vector<std::string>& argv);

/**
 * Waits for @duration, or for ever without one, or until SIGINT or SIGTERM.
 * Calls @progress with the elapsed time every ten seconds.
 */
void wait_for(std::optional<std::chrono::duration<double>> duration,
              const std::function<void(std::chrono::seconds)>& progress);

} // namespace latency
