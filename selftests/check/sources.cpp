// SPDX-License-Identifier: GPL-2.0
#include "source.hpp"

namespace check {

std::span<const SourceKind* const> source_kinds() {
    static constexpr const SourceKind* kinds[] = {
        &udmabuf_source, &heap_source, &vfio_source, &drm_source,
        &testexp_source, &from_source, &fd_source,
    };

    return kinds;
}

} // namespace check
