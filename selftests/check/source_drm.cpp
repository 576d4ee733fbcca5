// SPDX-License-Identifier: GPL-2.0
/* A dumb buffer of a DRM driver, exported by PRIME. */
#include <cerrno>

#include "drm_buffer.hpp"
#include "source.hpp"

namespace check {

namespace {

Source make(const std::string& argument, const Settings&) {
    const auto spec = testexp::parse_drm(argument);

    if (!spec)
        throw std::runtime_error("--drm " + spec.error().what);

    auto buffer = testexp::make_drm_buffer(spec.value());

    if (!buffer)
        throw std::runtime_error((buffer.code() == EOPNOTSUPP ? "--drm needs " : "--drm: ") +
                                 buffer.error().what);

    Source source;

    source.name = "drm " + argument;
    source.buffer = std::move(buffer).value();
    source.has_distinct_pages = true;
    source.may_write = true;
    return source;
}

} // namespace

const SourceKind drm_source = {
    "drm", "CARD,SIZE",
    "a dumb buffer of /dev/dri/cardCARD, or of the card whose driver CARD names", make, true};

} // namespace check
