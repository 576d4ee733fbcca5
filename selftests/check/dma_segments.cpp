// SPDX-License-Identifier: GPL-2.0
#include "dma_segments.hpp"

#include <string>
#include <utility>

#include "fixture.hpp"
#include "offer.hpp"
#include "waiting.hpp"

namespace check {

using namespace testexp;

Importer attach_for_map(const Subject& subject) {
    Result<Importer> importer = device().attach(subject.fd(), TESTEXP_ATTACH_DYNAMIC);

    if (!importer)
        importer = device().attach(subject.fd());
    if (is_not_offered(importer.code()))
        ksft::skip("no importer with a device can attach: " + importer.error().what);
    return std::move(importer).value();
}

std::vector<testexp_map_entry> segments_or_skip(const Importer& importer) {
    Result<std::vector<testexp_map_entry>> segments = importer.map();

    if (is_not_offered(segments.code()))
        ksft::skip("map_dma_buf for the device " + std::string(device().info().importer_device) +
                   ": " + segments.error().what);
    return std::move(segments).value();
}

void require_holdable(const Importer& importer) {
    if (!device().has(TESTEXP_FEAT_MOVE_NOTIFY))
        ksft::skip("without CONFIG_DMABUF_MOVE_NOTIFY no importer can hold a mapping");
    if (segments_or_skip(importer).size() > HeldMapping::most_segments)
        ksft::skip("only a mapping of at most " + std::to_string(HeldMapping::most_segments) +
                   " segments can be held");
}

} // namespace check
