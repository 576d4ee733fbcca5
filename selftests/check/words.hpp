/* SPDX-License-Identifier: GPL-2.0 */
/* The words of an argument of the command line. Each function throws std::runtime_error. */
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace check {

/* "a,b,c" as its parts. An empty part is an error. */
std::vector<std::string> split(const std::string& text, char separator = ',');

/* A decimal or hexadecimal number. @what: for the message, "descriptor". */
std::uint64_t number_of(std::string_view text, const char* what);

/* A size like 64K, 2M, 1G or 8192, in pages. It must be at least one page, and whole pages. */
std::uint64_t pages_of(std::string_view text);

/* A size in bytes as pages_of() reads it: "2M". */
std::string size_text(std::uint64_t nr_pages);

} // namespace check
