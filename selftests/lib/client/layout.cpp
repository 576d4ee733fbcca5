// SPDX-License-Identifier: GPL-2.0
#include "layout.hpp"

#include <bit>
#include <sstream>
#include <stdexcept>

#include <unistd.h>

namespace testexp {

namespace {

void describe_length(std::ostream& out, std::uint64_t nr_pages) {
    if (nr_pages >= 16 && std::has_single_bit(nr_pages))
        out << "2^" << std::countr_zero(nr_pages);
    else
        out << nr_pages;
}

constexpr const char* type_prefixes[TESTEXP_EXTENT_TYPES] = {
    "", "hole:", "private:", "mmio:", "synthetic:", "alias:"};
constexpr const char* cache_names[TESTEXP_CACHE_MODES] = {"wb", "uc", "wc"};

void describe_extent(std::ostream& out, const testexp_extent& extent) {
    if (extent.type < TESTEXP_EXTENT_TYPES)
        out << type_prefixes[extent.type];
    describe_length(out, extent.nr_pages);
    if (extent.align_order != 0)
        out << '@' << extent.align_order;
    if (extent.skew != 0)
        out << '/' << extent.skew;
    if (extent.at != 0)
        out << "from" << extent.at;
    if (extent.cache > TESTEXP_CACHE_WB && extent.cache < TESTEXP_CACHE_MODES)
        out << cache_names[extent.cache];
    if (extent.attributes & TESTEXP_EXTENT_P2P)
        out << "p2p";
    if (extent.attributes & TESTEXP_EXTENT_AS_MMIO)
        out << "as_mmio";
    if (extent.repeat != 1)
        out << 'x' << extent.repeat;
}

testexp_extent placed(testexp_extent_type type, std::uint64_t at, std::uint64_t nr_pages,
                      const Kind& kind) {
    return {.nr_pages = nr_pages,
            .repeat = kind.repeat,
            .type = type,
            .align_order = 0,
            .skew = 0,
            .at = at,
            .cache = kind.cache,
            .attributes = kind.attributes};
}

/* Large numbers in hexadecimal, where alignment is visible. */
std::string number(std::uint64_t value) {
    std::ostringstream out;

    if (value >= 4096)
        out << "0x" << std::hex;
    out << value;
    return out.str();
}

/* A braced argument with the fields that differ from their defaults. */
class Fields {
public:
    void add(const char* name, const std::string& value, bool is_default) {
        if (!is_default)
            text_ += (text_.empty() ? ", {." : ", .") + std::string(name) + " = " + value;
    }

    std::string text() const { return text_.empty() ? "" : text_ + "}"; }

private:
    std::string text_;
};

std::string placement_code(const testexp_extent& extent) {
    Fields fields;

    fields.add("align_order", number(extent.align_order), extent.align_order == 0);
    fields.add("skew", number(extent.skew), extent.skew == 0);
    fields.add("repeat", number(extent.repeat), extent.repeat == 1);
    return fields.text();
}

/*
 * @usual_cache is the cache mode without such an argument. Where there is an argument, it names the
 * cache mode.
 */
std::string kind_code(const testexp_extent& extent, std::uint32_t usual_cache) {
    constexpr const char* names[TESTEXP_CACHE_MODES] = {"TESTEXP_CACHE_WB", "TESTEXP_CACHE_UC",
                                                        "TESTEXP_CACHE_WC"};
    constexpr const char* attributes[] = {"0", "TESTEXP_EXTENT_P2P", "TESTEXP_EXTENT_AS_MMIO",
                                          "TESTEXP_EXTENT_P2P | TESTEXP_EXTENT_AS_MMIO"};
    Fields fields;

    if (extent.cache == usual_cache && extent.attributes == 0 && extent.repeat == 1)
        return "";
    fields.add("cache", names[extent.cache % TESTEXP_CACHE_MODES], false);
    fields.add("attributes", attributes[extent.attributes % std::size(attributes)],
               extent.attributes == 0);
    fields.add("repeat", number(extent.repeat), extent.repeat == 1);
    return fields.text();
}

/* The call of a Layout method that adds this extent. */
std::string call_code(const testexp_extent& extent) {
    const std::string nr_pages = number(extent.nr_pages);
    const std::string where = number(extent.at) + ", " + nr_pages;

    switch (extent.type) {
    case TESTEXP_EXTENT_HOLE:
        return ".hole(" + nr_pages + ")";
    case TESTEXP_EXTENT_PRIVATE:
        return ".priv(" + nr_pages + ")";
    case TESTEXP_EXTENT_MMIO:
        return ".mmio(" + where + kind_code(extent, TESTEXP_CACHE_UC) + ")";
    case TESTEXP_EXTENT_SYNTHETIC:
        return ".synthetic(" + where + kind_code(extent, TESTEXP_CACHE_WB) + ")";
    case TESTEXP_EXTENT_ALIAS:
        return ".alias(" + where + ")";
    default:
        return ".ram(" + nr_pages + placement_code(extent) + ")";
    }
}

} // namespace

std::uint64_t page_bytes() {
    static const auto bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    return bytes;
}

Layout& Layout::ram(std::uint64_t nr_pages, Placement placement) {
    extents.push_back({.nr_pages = nr_pages,
                       .repeat = placement.repeat,
                       .type = TESTEXP_EXTENT_RAM,
                       .align_order = placement.align_order,
                       .skew = placement.skew,
                       .at = 0,
                       .cache = TESTEXP_CACHE_WB,
                       .attributes = 0});
    return *this;
}

Layout& Layout::hole(std::uint64_t nr_pages) {
    extents.push_back(placed(TESTEXP_EXTENT_HOLE, 0, nr_pages, {.cache = TESTEXP_CACHE_WB}));
    return *this;
}

Layout& Layout::priv(std::uint64_t nr_pages) {
    extents.push_back(placed(TESTEXP_EXTENT_PRIVATE, 0, nr_pages, {.cache = TESTEXP_CACHE_WB}));
    return *this;
}

Layout& Layout::mmio(std::uint64_t at, std::uint64_t nr_pages, Kind kind) {
    extents.push_back(placed(TESTEXP_EXTENT_MMIO, at, nr_pages, kind));
    return *this;
}

Layout& Layout::synthetic(std::uint64_t first_pfn, std::uint64_t nr_pages, Kind kind) {
    extents.push_back(placed(TESTEXP_EXTENT_SYNTHETIC, first_pfn, nr_pages, kind));
    return *this;
}

Layout& Layout::alias(std::uint64_t at, std::uint64_t nr_pages) {
    extents.push_back(placed(TESTEXP_EXTENT_ALIAS, at, nr_pages, {.cache = TESTEXP_CACHE_WB}));
    return *this;
}

std::uint64_t Layout::nr_pages() const {
    std::uint64_t total = 0;

    for (const testexp_extent& extent : extents)
        total += extent.nr_pages * extent.repeat;
    return total;
}

std::string Layout::describe() const {
    std::ostringstream out;
    const char* separator = "";

    for (const testexp_extent& extent : extents) {
        out << separator;
        describe_extent(out, extent);
        separator = "+";
    }
    return out.str();
}

std::string Layout::code() const {
    std::string code = "Layout{}";

    for (const testexp_extent& extent : extents)
        code += call_code(extent);
    return code;
}

Layout Layout::uniform(std::uint64_t size_bytes, std::uint32_t order) {
    const std::uint64_t extent_bytes = page_bytes() << order;

    if (size_bytes == 0 || size_bytes % extent_bytes != 0)
        throw std::invalid_argument("size is not a multiple of the extent's");

    return Layout{}.ram(std::uint64_t{1} << order,
                        {.align_order = order, .skew = 0, .repeat = size_bytes / extent_bytes});
}

} // namespace testexp
