// SPDX-License-Identifier: GPL-2.0
#include "slabs.hpp"

#include <fstream>
#include <sstream>

namespace check {

namespace {

/*
 * vfree() keeps the area of addresses until many pages wait to be flushed from the TLB. A buffer
 * that is never freed shows in the pages of memory.
 */
constexpr const char* freed_late = "vmap_area";

} // namespace

/* A line begins with the name and the number of objects in use. Two lines of headings do not. */
Usage parse_slabs(std::istream& lines) {
    Usage usage;

    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name;
        std::uint64_t objects = 0;

        if (words >> name >> objects && name != freed_late)
            usage["objects of the slab cache " + name] = objects;
    }
    return usage;
}

Usage read_slabs() {
    std::ifstream file("/proc/slabinfo");

    return parse_slabs(file);
}

} // namespace check
