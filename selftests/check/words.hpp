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

} // namespace check
