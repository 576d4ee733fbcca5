// SPDX-License-Identifier: GPL-2.0
#include "shape.hpp"

#include "layout.hpp"

namespace bench {

std::uint64_t Shape::nr_pages() const {
    return size_bytes / testexp::page_bytes();
}

std::uint64_t Shape::nr_extents() const {
    return nr_pages() >> order;
}

std::string Shape::name() const {
    const std::string size = "size:" + std::to_string(size_bytes);
    std::string text = foreign ? "exporter:" + testexp::exporter_of(*foreign) + "/" + size
                               : size + "/order:" + std::to_string(order);

    if (memory == Memory::synthetic)
        text += "/memory:synthetic";
    if (exporter->name[0] != '\0')
        text += std::string("/exporter:") + exporter->name;
    if (cpu == CpuMapping::cold_around)
        text += "/fault_around:64";
    if (fresh)
        text += "/touch:first";
    return text;
}

} // namespace bench
