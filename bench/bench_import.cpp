// SPDX-License-Identifier: GPL-2.0
/*
 * What does it cost to map a buffer for a device? IOMMU_IOAS_MAP_FILE puts the pages of a dma-buf,
 * or of a memfd, into the page table of an IOMMU, and IOMMU_IOAS_UNMAP takes the pages out. Each is
 * measured as the ioctl that user space makes.
 *
 * The buffers are those of the exporters that the user names, and a memfd for comparison. The test
 * exporter has buffers of one size and many numbers of runs: a run is pages that follow each other
 * in memory. A case with domain:none has no page table, so that only the list of PFNs costs
 * something. A case of copy_last copies the last page of such a buffer into an address space with a
 * page table (IOMMU_IOAS_COPY): iommufd looks the page up in the list that the buffer has already.
 *
 * A BAR in one range is also mapped by VFIO's type1 driver, which iommufd replaces: this process
 * maps the BAR, and VFIO_IOMMU_MAP_DMA looks up the pages of this mapping. With touch:first the
 * mapping is new in each call, so that the driver faults its pages in. In the other cases the pages
 * are present. With aligned:no the mapping is where mmap() puts it, which leads to pages of 4 KiB.
 */
#include <memory>
#include <optional>

#include "import_plan.hpp"
#include "imported.hpp"
#include "kernel_case.hpp"
#include "program.hpp"

namespace {

using bench::Measure;
using testexp::Result;

/* The device and one buffer, which the cases share. */
class Imports {
public:
    Imports(const testexp::Device& device, std::vector<std::string> exporting)
        : device_(device), exporting_(std::move(exporting)) {}

    Result<Measure> prepare(const bench::ImportCase& row) {
        if (!call_ || row.buffer != buffer_) {
            call_ = nullptr; /* before the next one: there may not be memory for both */

            Result<bench::MapAndUnmap> made = make(row.buffer);

            if (!made)
                return made.error();
            call_ = std::move(made).value();
            buffer_ = row.buffer;
        }
        return Measure([call = call_, row] { return bench::measure_import(call, row); });
    }

private:
    Result<bench::MapAndUnmap> make(const bench::ImportBuffer& buffer) {
        if (const auto* type1 = std::get_if<bench::Type1Spec>(&buffer))
            return bench::map_by_type1(*type1);
        if (!translated_)
            translated_.emplace(bench::Translated::make(exporting_));
        if (!*translated_)
            return translated_->error();
        return bench::map_by_iommufd(translated_->value(), buffer, device_);
    }

    const testexp::Device& device_;
    std::vector<std::string> exporting_;
    std::optional<Result<bench::Translated>> translated_;
    bench::ImportBuffer buffer_; /* of the call */
    bench::MapAndUnmap call_;
};

/* The devices whose BARs are exported: VFIO opens a device only once. */
std::vector<std::string> exporting_devices(const std::vector<bench::ImportCase>& plan) {
    std::vector<std::string> names;

    for (const bench::ImportCase& row : plan)
        if (const auto* foreign = std::get_if<testexp::ForeignSpec>(&row.buffer))
            if (const auto* vfio = std::get_if<testexp::VfioSpec>(foreign))
                names.push_back(vfio->device);
    return names;
}

testexp::Status register_all(const bench::Options& options, const testexp::Device& device,
                             const testexp::Environment&) {
    std::vector<std::string> exporters = options.exporters;

    if (exporters.empty())
        exporters.emplace_back(bench::test_exporter);

    const std::vector<bench::ImportCase> plan = bench::make_import_plan(exporters);
    const auto imports = std::make_shared<Imports>(device, exporting_devices(plan));

    for (const bench::ImportCase& row : plan)
        bench::register_case(row.name, device, [imports, row] { return imports->prepare(row); });
    return std::monostate{};
}

} // namespace

int main(int argc, char** argv) {
    return bench::run_program({"bench_import",
                               "Measures what mapping a buffer into the page table of an IOMMU "
                               "costs. Needs a PCI device that has the driver vfio-pci.",
                               nullptr,
                               {"default"},
                               register_all,
                               true},
                              argc, argv);
}
