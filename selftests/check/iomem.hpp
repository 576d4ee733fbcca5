/* SPDX-License-Identifier: GPL-2.0 */
/* /proc/iomem: what is at a physical address. */
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace check {

class Iomem {
public:
    /* Reads /proc/iomem. std::runtime_error where the addresses are hidden. */
    static Iomem read();

    static Iomem parse(std::istream& lines);

    /*
     * The ranges that contain the address, from the outermost to the innermost: "System RAM /
     * Kernel code". An empty text where there is none.
     */
    std::string name_of(std::uint64_t address) const;

    static bool is_memory(std::string_view name);
    static bool is_kernel(std::string_view name);

private:
    struct Range {
        std::uint64_t first;
        std::uint64_t last;
        std::string name;
    };

    std::vector<Range> ranges_; /* as in the file: each range stands before the ranges inside */
};

} // namespace check
