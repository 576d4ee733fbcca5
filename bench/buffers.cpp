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
        return lacking(error.code, fmt::format("{} of free memory in blocks of 2^{} pages",
                                               text_of_bytes(shape.size_bytes), shape.order));
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

constexpr std::uint64_t pages_per_call = 65536;

/* Asks for every page once. */
Result<std::vector<testexp_result>> resolve_all(const testexp::Importer& importer,
                                                std::uint64_t nr_pages) {
    std::vector<testexp_result> pages;

    for (std::uint64_t pgoff = 0; pgoff < nr_pages; pgoff += pages_per_call) {
        const auto some = importer.resolve(pgoff, std::min(pages_per_call, nr_pages - pgoff));

        if (!some)
            return some.error();
        pages.insert(pages.end(), some.value().begin(), some.value().end());
    }
    return pages;
}

/* What the importer can have of a buffer of another exporter. */
Result<Found> examine(const testexp::Importer& importer, std::uint64_t nr_pages) {
    const auto pages = resolve_all(importer, nr_pages);
    Found found;

    if (!pages)
        return pages.error();
    add_pages(found, pages.value());

    const auto segments = importer.map();

    if (segments)
        add_segments(found, segments.value());
    else if (is_lack_of_exporter(segments.code()))
        found.no_map = "a DMA mapping for this importer; " + segments.error().what;
    else
        return segments.error();
    return found;
}

} // namespace

/* Maps the buffer for the CPU, if the shape asks for this. */
testexp::Status Buffers::Kept::map(int fd) {
    if (!is_mapped(shape))
        return std::monostate{};

    Result<testexp::Mapping> mapped = map_buffer(shape, fd);

    if (!mapped)
        return mapped.error();
    mapping.emplace(std::move(mapped).value());
    return std::monostate{};
}

/*
 * The importer is dynamic, because VFIO lets no other importer in. The device and the memfd stay
 * open for as long as the buffer is measured.
 */
Result<Buffers::Kept> Buffers::make_foreign(const Shape& shape) const {
    Result<testexp::ForeignBuffer> buffer = testexp::make_foreign(*shape.foreign);

    if (!buffer)
        return buffer.error().code == EOPNOTSUPP ? lacking(EOPNOTSUPP, buffer.error().what)
                                                 : buffer.error();

    Result<testexp::Importer> importer =
        device_.attach(buffer.value().fd.get(), TESTEXP_ATTACH_DYNAMIC);

    if (!importer)
        return importer.error();

    const Result<Found> found = examine(importer.value(), shape.nr_pages());

    if (!found)
        return found.error();

    Kept made{.shape = shape,
              .importer = std::move(importer).value(),
              .mapping = std::nullopt,
              .foreign = std::move(buffer).value(),
              .found = found.value()};

    if (const auto mapped = made.map(made.foreign->fd.get()); !mapped)
        return is_lack_of_exporter(mapped.code())
                   ? lacking(mapped.code(), "a CPU mapping of the exporter; " + mapped.error().what)
                   : mapped.error();
    return made;
}

Result<Buffers::Kept> Buffers::make_own(const Shape& shape) const {
    const Result<testexp::Buffer> buffer =
        device_.create({.layout = layout_of(shape), .flags = create_flags(shape)});

    if (!buffer)
        return explain(buffer.error(), shape, device_.info());

    const int fd = buffer.value().fd.get();
    Result<testexp::Importer> importer = device_.attach(fd, shape.exporter->attach_flags);

    if (!importer)
        return importer.error();

    Kept made{.shape = shape,
              .importer = std::move(importer).value(),
              .mapping = std::nullopt,
              .foreign = std::nullopt,
              .found = std::nullopt};

    if (const auto mapped = made.map(fd); !mapped)
        return mapped.error();
    return made;
}

Result<Buffers::Kept> Buffers::make(const Shape& shape) const {
    if (const std::string what = missing(shape, device_); !what.empty())
        return lacking(EOPNOTSUPP, what);
    return shape.foreign ? make_foreign(shape) : make_own(shape);
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

    return Target{&last.importer, last.mapping ? testexp::address_of(*last.mapping) : 0,
                  last.found ? &*last.found : nullptr};
}

} // namespace bench
