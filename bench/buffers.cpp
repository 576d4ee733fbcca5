// SPDX-License-Identifier: GPL-2.0
#include "buffers.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <sys/mman.h>

namespace bench {

namespace {

using testexp::Error;
using testexp::Result;

/* Physical memory that no machine has; aligned to any order. */
constexpr std::uint64_t first_synthetic_pfn = std::uint64_t{1} << 40;

constexpr std::uint64_t pmd_bytes = std::uint64_t{1} << 21;

Error lacking(int code, const std::string& what) {
    return {code, requires_prefix + what};
}

/* An error that means a lack of this machine becomes "requires ..."; others are passed on. */
Error explain(const Error& error, const Shape& shape, const testexp_info& limits) {
    if (error.code == ENOSPC)
        return lacking(error.code,
                       fmt::format("{} pages in {} extents; the module allows {} pages (parameter "
                                   "max_pages) and {} extents",
                                   shape.nr_pages(), shape.nr_extents(), limits.max_pages,
                                   limits.max_extents));
    if (error.code == ENOMEM)
        return lacking(error.code, fmt::format("{} MiB of free memory in blocks of 2^{} pages",
                                               shape.size_bytes >> 20, shape.order));
    if (error.code == EOPNOTSUPP && shape.exporter->is_known_only_by_trying())
        return lacking(error.code, shape.exporter->requirement);
    return error;
}

bool is_mapped(const Shape& shape) {
    return shape.cpu != CpuMapping::none;
}

/* What this kernel lacks for such a buffer, or "". */
std::string missing(const Shape& shape, const testexp::Device& device) {
    if (shape.memory == Memory::ram && shape.order > device.info().max_page_order)
        return fmt::format("extents of 2^{} pages; this kernel has 2^{} at most", shape.order,
                           device.info().max_page_order);
    if (!device.has(shape.exporter->feature))
        return shape.exporter->requirement;
    if (is_mapped(shape) && !device.has(TESTEXP_FEAT_WALK))
        return "follow_pfnmap_start(), which is of 6.12";
    if (shape.cpu == CpuMapping::pmd && !device.has(TESTEXP_FEAT_HUGE))
        return "CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP, to map PFNs by PMDs";
    return "";
}

std::uint32_t create_flags(const Shape& shape) {
    std::uint32_t flags = TESTEXP_CREATE_SCATTER | shape.exporter->create_flags;

    if (shape.cpu == CpuMapping::pmd)
        flags |= TESTEXP_CREATE_HUGE;
    return flags;
}

testexp::Layout layout_of(const Shape& shape) {
    if (shape.memory == Memory::ram)
        return testexp::Layout::uniform(shape.size_bytes, shape.order);
    return testexp::Layout{}.synthetic(first_synthetic_pfn, std::uint64_t{1} << shape.order,
                                       {.cache = TESTEXP_CACHE_WB, .repeat = shape.nr_extents()});
}

Result<testexp::Mapping> map_buffer(const Shape& shape, int fd) {
    Result<testexp::Mapping> mapping =
        testexp::Mapping::map_aligned(fd, shape.nr_pages(), pmd_bytes);

    if (mapping && shape.cpu == CpuMapping::cold) {
        const auto bytes = mapping.value().bytes();

        if (madvise(bytes.data(), bytes.size(), MADV_RANDOM) != 0)
            return testexp::errno_error("MADV_RANDOM");
    }
    return mapping;
}

} // namespace

Result<Buffers::Kept> Buffers::make(const Shape& shape) const {
    if (const std::string what = missing(shape, device_); !what.empty())
        return lacking(EOPNOTSUPP, what);

    const Result<testexp::Buffer> buffer =
        device_.create({.layout = layout_of(shape), .flags = create_flags(shape)});

    if (!buffer)
        return explain(buffer.error(), shape, device_.info());

    const int fd = buffer.value().fd.get();
    Result<testexp::Importer> importer = device_.attach(fd, shape.exporter->attach_flags);

    if (!importer)
        return importer.error();

    Kept made{shape, std::move(importer).value(), std::nullopt};

    if (is_mapped(shape)) {
        Result<testexp::Mapping> mapping = map_buffer(shape, fd);

        if (!mapping)
            return mapping.error();
        made.mapping.emplace(std::move(mapping).value());
    }
    return made;
}

/* Drops the least recently used buffers until @bytes more fit into the limit. */
void Buffers::make_room(std::uint64_t bytes) {
    for (const Kept& kept : kept_)
        bytes += kept.shape.size_bytes;
    while (!kept_.empty() && bytes > keep_bytes_) {
        bytes -= kept_.front().shape.size_bytes;
        kept_.pop_front();
    }
}

Result<Target> Buffers::target(const Shape& shape) {
    auto found = std::ranges::find(kept_, shape, &Kept::shape);

    if (found != kept_.end() && shape.fresh) {
        kept_.erase(found);
        found = kept_.end();
    }
    if (found != kept_.end()) {
        kept_.splice(kept_.end(), kept_, found);
    } else {
        make_room(shape.size_bytes); /* before make(): there may not be memory for both */

        Result<Kept> made = make(shape);

        if (!made && !kept_.empty()) {
            kept_.clear(); /* the kept buffers may hold the memory */
            return target(shape);
        }
        if (!made)
            return made.error();
        kept_.push_back(std::move(made).value());
    }

    const Kept& last = kept_.back();

    return Target{&last.importer, last.mapping ? testexp::address_of(*last.mapping) : 0};
}

} // namespace bench
