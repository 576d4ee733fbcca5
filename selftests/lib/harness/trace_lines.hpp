/* SPDX-License-Identifier: GPL-2.0 */
/* Reads trace buffers of tracefs, and tells whether something is missing in them. */
#pragma once

#include <string>
#include <vector>

namespace testexp {

/**
 * The lines of a file `trace`. NotJudged if the file does not say that the buffer has every entry
 * that was written to it: the kernel overwrites the oldest entries of a full buffer.
 */
std::vector<std::string> trace_lines(const std::string& path);

/**
 * How often the kernel could not handle this event of a kprobe, for example because another probe
 * was being handled. @path: kprobe_profile of tracefs. NotJudged if the file does not say.
 */
unsigned long missed_by_kprobe(const std::string& path, const std::string& event);

} // namespace testexp
