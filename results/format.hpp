/* SPDX-License-Identifier: GPL-2.0 */
/* How numbers look in a report. */
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace report {

/* 1234567.8 as "1,234,568"; two decimals below a thousand, unless it is whole. */
std::string show_number(double value);
std::string show_number(std::optional<double> value); /* "–" for nothing */

/* "4.05×" */
std::string show_ratio(double value, double reference);

/* "2 MiB" */
std::string show_bytes(std::uint64_t bytes);

} // namespace report
