// SPDX-License-Identifier: GPL-2.0
#include "slabs.hpp"

#include <fstream>
#include <sstream>

namespace check {

/* A line begins with the name and the number of objects in use. Two lines of headings do not. */
Usage parse_slabs(std::istream& lines) {
    Usage usage;

    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name;
        std::uint64_t objects = 0;

        if (words >> name >> objects)
            usage["objects of the slab cache " + name] = objects;
    }
    return usage;
}

Usage read_slabs() {
    std::ifstream file("/proc/slabinfo");

    return parse_slabs(file);
}

} // namespace check
