// SPDX-License-Identifier: GPL-2.0
#include "imported.hpp"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <memory>
#include <optional>

#include <fcntl.h>
#include <sys/mman.h>

#include "clock.hpp"
#include "found.hpp"
#include "hist.hpp"
#include "signals.hpp"
#include "type1.hpp"

namespace bench {

namespace {

using testexp::Error;
using testexp::Fd;
using testexp::Result;

namespace fs = std::filesystem;

Error lacking(const Error& error) {
    return {error.code, requires_prefix + error.what};
}

/* The errors that mean a lack of this machine or of its kernel, and not a mistake of ours. */
Error explain(const Error& error) {
    return error.code == EOPNOTSUPP || error.code == ENOSPC || error.code == ENOMEM ? lacking(error)
                                                                                    : error;
}

/* The PCI devices that VFIO has. */
std::vector<std::string> devices_of_vfio() {
    std::vector<std::string> names;
    std::error_code error;

    for (const auto& entry : fs::directory_iterator("/sys/bus/pci/drivers/vfio-pci", error))
        if (entry.is_symlink() && fs::exists(entry.path() / "vfio-dev"))
            names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
}

Result<Fd> make_memfd(std::uint64_t size_bytes) {
    Fd fd(memfd_create("bench_import", MFD_CLOEXEC));

    if (!fd)
        return testexp::errno_error("memfd_create");
    if (fallocate(fd.get(), 0, 0, static_cast<off_t>(size_bytes)) != 0)
        return testexp::errno_error("allocate the pages of a memfd");
    return fd;
}

/* A buffer of one run may be larger than the kernel's largest block, and is aligned to its size. */
testexp::Layout layout_of(const RunsSpec& spec) {
    const std::uint64_t pages = spec.size_bytes / testexp::page_bytes() / spec.nr_runs;
    const auto order = static_cast<std::uint32_t>(std::countr_zero(pages));

    return testexp::Layout{}.ram(pages, {.align_order = order, .repeat = spec.nr_runs});
}

Result<testexp::ForeignBuffer> make_buffer(const ImportBuffer& spec,
                                           const testexp::Device& device) {
    testexp::ForeignBuffer made;

    if (const auto* memfd = std::get_if<MemfdSpec>(&spec)) {
        Result<Fd> fd = make_memfd(memfd->size_bytes);

        if (!fd)
            return fd.error();
        made.fd = std::move(fd).value();
    } else if (const auto* runs = std::get_if<RunsSpec>(&spec)) {
        Result<testexp::Buffer> buffer =
            device.create({.layout = layout_of(*runs), .flags = TESTEXP_CREATE_SCATTER});

        if (!buffer)
            return buffer.error();
        made.fd = std::move(buffer).value().fd;
    } else {
        return testexp::make_foreign(std::get<testexp::ForeignSpec>(spec));
    }
    return made;
}

/* A buffer, and what the buffer depends on. */
struct Imported {
    testexp::ForeignBuffer buffer;
    std::uint64_t size_bytes = 0;
};

Result<Ticks> map_and_unmap(const testexp::AddressSpace& space, const Imported& imported) {
    const std::uint64_t begin = read_clock();
    const Result<std::uint64_t> iova =
        space.map({.file = imported.buffer.fd.get(), .length_bytes = imported.size_bytes});
    const std::uint64_t mapped = read_clock();

    if (!iova)
        return explain(iova.error());

    const std::uint64_t again = read_clock();
    const Result<std::uint64_t> bytes = space.unmap(iova.value(), imported.size_bytes);
    const std::uint64_t unmapped = read_clock();

    if (!bytes)
        return bytes.error();
    return Ticks{mapped - begin, unmapped - again};
}

/* Ticks of the copy, and of the unmap of the copied page. */
Result<Ticks> copy_last(const Translated& translated, const Imported& imported) {
    const Result<std::uint64_t> source = translated.alone().map(
        {.file = imported.buffer.fd.get(), .length_bytes = imported.size_bytes});

    if (!source)
        return explain(source.error());

    const std::uint64_t last = source.value() + imported.size_bytes - testexp::page_bytes();
    const std::uint64_t begin = read_clock();
    const Result<std::uint64_t> iova =
        translated.space().copy(translated.alone(), last, testexp::page_bytes());
    const std::uint64_t copied = read_clock();

    if (!iova)
        return iova.error();

    const std::uint64_t again = read_clock();
    const Result<std::uint64_t> bytes =
        translated.space().unmap(iova.value(), testexp::page_bytes());
    const std::uint64_t unmapped = read_clock();

    if (!bytes)
        return bytes.error();
    if (const auto all = translated.alone().unmap(source.value(), imported.size_bytes); !all)
        return all.error();
    return Ticks{copied - begin, unmapped - again};
}

/* A range of a BAR in this process, for a device that was opened by its group. */
class UserMapped {
public:
    UserMapped(testexp::VfioDevice device, std::uint64_t pgoff, const Type1Spec& spec)
        : device_(std::move(device)), pgoff_(pgoff), spec_(spec) {}

    /* The next call of type1 finds no page of the mapping, and faults the pages in. */
    testexp::Status remake() {
        const std::uint64_t nr_pages = spec_.bar.size_bytes() / testexp::page_bytes();
        Result<testexp::Mapping> made =
            spec_.aligned
                ? testexp::Mapping::map_aligned(device_.fd(), nr_pages, largest_page, pgoff_)
                : testexp::Mapping::map(device_.fd(), nr_pages, pgoff_);

        if (!made)
            return made.error();
        mapping_.emplace(std::move(made).value());
        return std::monostate{};
    }

    Result<Ticks> map_and_unmap(ImportOp op) {
        if (!mapping_ || op == ImportOp::map_first)
            if (const testexp::Status made = remake(); !made)
                return made.error();

        const std::uint64_t begin = read_clock();
        const testexp::Status done = testexp::type1_map(device_, *mapping_, iova);
        const std::uint64_t mapped = read_clock();

        if (!done)
            return done.error();

        const std::uint64_t again = read_clock();
        const Result<std::uint64_t> bytes =
            testexp::type1_unmap(device_, iova, mapping_->bytes().size());
        const std::uint64_t unmapped = read_clock();

        if (!bytes)
            return bytes.error();
        return Ticks{mapped - begin, unmapped - again};
    }

private:
    static constexpr std::uint64_t largest_page = std::uint64_t{1} << 30;
    static constexpr std::uint64_t iova = std::uint64_t{4} << 30; /* a multiple of the above */

    testexp::VfioDevice device_;
    std::uint64_t pgoff_; /* in the file of the device */
    Type1Spec spec_;
    std::optional<testexp::Mapping> mapping_;
};

} // namespace

Result<Translated> Translated::make(const std::vector<std::string>& others) {
    for (const std::string& name : devices_of_vfio()) {
        if (std::ranges::find(others, name) != others.end())
            continue;

        Result<testexp::VfioDevice> device = testexp::VfioDevice::open(name);

        if (!device || device.value().is_noiommu() || device.value().iommufd() < 0)
            continue;

        Result<testexp::AddressSpace> space = testexp::AddressSpace::make(device.value().iommufd());
        Result<testexp::AddressSpace> alone = testexp::AddressSpace::make(device.value().iommufd());

        if (!space || !alone)
            return (space ? alone : space).error();

        Result<testexp::Attached> attached =
            testexp::Attached::attach(device.value().fd(), space.value().id());

        if (!attached)
            return attached.error();
        return Translated(std::move(device).value(), std::move(space).value(),
                          std::move(alone).value(), std::move(attached).value());
    }
    return lacking(
        {EOPNOTSUPP, "an IOMMU, and a device of VFIO behind the IOMMU beside the exporters"});
}

Result<MapAndUnmap> map_by_iommufd(const Translated& translated, const ImportBuffer& buffer,
                                   const testexp::Device& device) {
    Result<testexp::ForeignBuffer> made = make_buffer(buffer, device);

    if (!made)
        return explain(made.error());

    const auto imported =
        std::make_shared<Imported>(Imported{std::move(made).value(), size_bytes_of(buffer)});

    return MapAndUnmap([&translated, imported](ImportOp op) {
        if (op == ImportOp::copy_last)
            return copy_last(translated, *imported);
        return map_and_unmap(op == ImportOp::map_alone ? translated.alone() : translated.space(),
                             *imported);
    });
}

Result<MapAndUnmap> map_by_type1(const Type1Spec& spec) {
    Result<testexp::VfioDevice> device = testexp::VfioDevice::open_by_group(spec.bar.device);

    if (!device)
        return explain(device.error());
    if (device.value().is_noiommu())
        return lacking({EOPNOTSUPP, "an IOMMU for " + spec.bar.device});

    const Result<std::uint64_t> region = device.value().region_offset(spec.bar.region);

    if (!region)
        return region.error();

    const std::uint64_t offset = region.value() + spec.bar.ranges.front().offset_bytes;
    const auto mapped = std::make_shared<UserMapped>(std::move(device).value(),
                                                     offset / testexp::page_bytes(), spec);

    return MapAndUnmap([mapped](ImportOp op) { return mapped->map_and_unmap(op); });
}

Result<testexp::Measurement> measure_import(const MapAndUnmap& call, const ImportCase& row) {
    testexp::Measurement result{{}, testexp::empty_hist()};
    testexp_measure& totals = result.totals;

    totals.ops_per_batch = 1;
    totals.batches = row.batches;
    totals.ops = row.batches;
    totals.pages = row.batches * pages_of(row.buffer, row.op);
    totals.clock_cost_ticks = clock_cost();

    /* The first call makes what the later calls find: page tables of the IOMMU stay. */
    for (std::uint64_t batch = 0; batch <= row.batches; batch++) {
        const Result<Ticks> ticks = call(row.op);

        if (!ticks)
            return ticks.error();
        if (caught_signal() != 0)
            return Error{EINTR, "interrupted"};
        if (batch > 0)
            testexp_hist_add(&result.hist,
                             row.op == ImportOp::unmap ? ticks.value().unmap : ticks.value().map);
    }
    totals.ticks = result.hist.sum;
    totals.min_batch_ticks = result.hist.min;
    return result;
}

} // namespace bench
