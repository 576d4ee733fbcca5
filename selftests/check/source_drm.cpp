// SPDX-License-Identifier: GPL-2.0
/* A dumb buffer of a DRM driver, exported by PRIME. */
#include "drm_buffer.hpp"
#include "source.hpp"

namespace check {

namespace {

Source make(const std::string& argument, const Settings&) {
    const testexp::DrmSpec spec = value_for("drm", testexp::parse_drm(argument));
    Source source;

    source.name = "drm " + argument;
    source.buffer = value_for("drm", testexp::make_drm_buffer(spec));
    source.has_distinct_pages = true;
    source.may_write = true;
    return source;
}

} // namespace

const SourceKind drm_source = {
    "drm", "CARD,SIZE",
    "a dumb buffer of /dev/dri/cardCARD, or of the card whose driver CARD names", make, true};

} // namespace check
