/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <filesystem>
#include <string>

namespace report {

/**
 * All or nothing: a full disk must not leave half a file. Throws
 * std::runtime_error with one line.
 */
void write_file(const std::filesystem::path& path, const std::string& text);

} // namespace report
