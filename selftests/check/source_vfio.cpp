// SPDX-License-Identifier: GPL-2.0
/*
 * Ranges of a BAR that VFIO exports. The BAR's address in sysfs is the reference for PFNs. For a
 * device without an IOMMU, iommufd also tells the physical addresses of the buffer. VFIO revokes
 * the buffer for a reset, while memory decode is off, and when the device is closed.
 */
#include <algorithm>
#include <cerrno>
#include <memory>

#include "foreign_buffer.hpp"
#include "layout.hpp"
#include "pci.hpp"
#include "source.hpp"
#include "vfio_keeper.hpp"

namespace check {

using namespace testexp;

namespace {

bool overlap(const VfioRange& a, const VfioRange& b) {
    return a.offset_bytes < b.offset_bytes + b.length_bytes &&
           b.offset_bytes < a.offset_bytes + a.length_bytes;
}

bool has_distinct_pages(const VfioSpec& spec) {
    for (auto range = spec.ranges.begin(); range != spec.ranges.end(); range++)
        if (std::any_of(range + 1, spec.ranges.end(),
                        [&](const VfioRange& other) { return overlap(*range, other); }))
            return false;
    return true;
}

Reference bar_in_sysfs(const VfioSpec& spec) {
    const auto bar = find_bar(spec.device + "/" + std::to_string(spec.region));

    if (!bar)
        throw std::runtime_error("--vfio: sysfs does not tell where region " +
                                 std::to_string(spec.region) + " of " + spec.device + " is");
    return {"the BAR in sysfs",
            [spec, start = bar->start](std::uint64_t pgoff) -> std::optional<std::uint64_t> {
                const auto offset = spec.offset_of(pgoff);

                return offset ? std::optional((start + *offset) / page_bytes()) : std::nullopt;
            }};
}

void add_physical_addresses(Source& source, const VfioDevice& device, std::uint64_t bytes) {
    const auto answer = device.pfns_without_iommu(source.buffer.get(), bytes);

    if (answer.code() == EOPNOTSUPP || answer.code() == ENOTTY)
        return; /* an IOMMU, no such ioctl, or an iommufd that takes one range only */
    source.iommufd = {
        "IOMMU_IOAS_NOIOMMU_GET_PA",
        [pfns = value_for("vfio", answer)](std::uint64_t pgoff) -> std::optional<std::uint64_t> {
            return pgoff < pfns.size() ? std::optional(pfns[pgoff]) : std::nullopt;
        }};
}

/* The same pages in another order: both halves of each range, from the last half to the first. */
VfioSpec spec_of_sibling(const VfioSpec& spec) {
    VfioSpec sibling{spec.device, spec.region, {}};

    for (const VfioRange& range : spec.ranges) {
        const std::uint64_t half = range.length_bytes / page_bytes() / 2 * page_bytes();

        if (half != 0)
            sibling.ranges.push_back({range.offset_bytes, half});
        sibling.ranges.push_back({range.offset_bytes + half, range.length_bytes - half});
    }
    std::ranges::reverse(sibling.ranges);
    return sibling;
}

Sibling make_sibling(const VfioDevice& device, const VfioSpec& spec) {
    const VfioSpec of_sibling = spec_of_sibling(spec);

    return {device.export_dma_buf(of_sibling.region, of_sibling.ranges).value(),
            bar_in_sysfs(of_sibling)};
}

Source make_another(const VfioKeeper& keeper, const VfioSpec& spec) {
    const VfioDevice device = VfioDevice::of_descriptor(spec.device, keeper.device());
    Source another;

    another.name = "another buffer of " + spec.device;
    another.buffer = device.export_dma_buf(spec.region, spec.ranges).value();
    another.references.push_back(bar_in_sysfs(spec));
    return another;
}

/* VFIO's dma-bufs have no mmap, but the regions of the device have one. */
std::vector<Mapping::Piece> pieces_of(const VfioDevice& device, const VfioSpec& spec) {
    const std::uint64_t start = device.region_offset(spec.region).value();
    std::vector<Mapping::Piece> pieces;

    for (const VfioRange& range : spec.ranges)
        pieces.push_back(
            {(start + range.offset_bytes) / page_bytes(), range.length_bytes / page_bytes()});
    return pieces;
}

void add_invalidations(Source& source, const std::shared_ptr<VfioKeeper>& keeper, bool can_reset) {
    const auto ask = [keeper](VfioRequest request) {
        return [keeper, request] { keeper->ask(request); };
    };

    if (can_reset)
        source.invalidations.push_back({.name = "reset of the device",
                                        .take = ask(VfioRequest::reset),
                                        .give_back = {},
                                        .is_move = true,
                                        .callbacks = 2}); /* a revoke and its end */
    source.invalidations.push_back({.name = "memory decode off",
                                    .take = ask(VfioRequest::decode_off),
                                    .give_back = ask(VfioRequest::decode_on),
                                    .tells_of_return = true,
                                    .callbacks = 1});
    /* Nothing gives the pages back after this. */
    source.invalidations.push_back({.name = "closing the device",
                                    .take = ask(VfioRequest::close),
                                    .give_back = {},
                                    .callbacks = 1});
    source.harmless = {"memory decode on, which is on already", ask(VfioRequest::decode_on)};
}

Source make(const std::string& argument, const Settings&) {
    const VfioSpec spec = value_for("vfio", parse_vfio(argument));
    ForeignBuffer made = value_for("vfio", make_vfio(spec));
    Source source;

    source.name = "vfio " + argument;
    source.buffer = std::move(made.fd);
    source.exporter_class = ExporterClass{.movable = false, .revocable = true};
    source.needs_p2p = true;
    source.has_pci_provider = true;
    source.is_exact = true;
    source.has_distinct_pages = has_distinct_pages(spec);
    source.references.push_back(bar_in_sysfs(spec));
    add_physical_addresses(source, *made.device, spec.size_bytes());

    source.sibling = make_sibling(*made.device, spec);

    const bool can_reset = made.device->can_reset();
    const auto pieces = pieces_of(*made.device, spec);
    const auto keeper = std::make_shared<VfioKeeper>(std::move(*made.device));

    source.make_another = [keeper, spec] { return make_another(*keeper, spec); };
    source.map = [keeper, pieces] { return Mapping::map_pieces(keeper->device().get(), pieces); };
    add_invalidations(source, keeper, can_reset);
    return source;
}

} // namespace

const SourceKind vfio_source = {
    "vfio", "BDF,REGION,OFFSET+LENGTH[*COUNT/STRIDE][,...]",
    "ranges of a BAR of a PCI device that scripts/lib/guest/vfio-bind has given to vfio-pci", make};

} // namespace check
