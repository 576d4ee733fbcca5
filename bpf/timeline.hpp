/* SPDX-License-Identifier: GPL-2.0 */
/* Waits and holds over time, for Perfetto and chrome://tracing. Pure. */
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "locks.h"

namespace latency {

/**
 * The text of a trace file in Chrome's JSON format: a slice for each event, on the
 * track of its thread; times in µs from the first one. @lost events, for which there
 * was no room, are named in the file.
 */
std::string timeline_text(std::span<const lock_event> events, std::uint64_t lost);

} // namespace latency
