/* SPDX-License-Identifier: GPL-2.0 */
/* How many pages of memory are in use. */
#pragma once

#include <cstdint>
#include <istream>

namespace check {

/*
 * The pages that are neither available in @meminfo (/proc/meminfo) nor in the lists of free pages
 * that each processor has in @zoneinfo (/proc/zoneinfo). These lists grow for a long time while a
 * program takes and frees pages, and MemAvailable does not count them. Throws std::runtime_error
 * where @meminfo has no MemAvailable.
 */
std::uint64_t parse_used_pages(std::istream& meminfo, std::istream& zoneinfo);

/* The same from the files of this machine. */
std::uint64_t read_used_pages();

} // namespace check
