/* SPDX-License-Identifier: GPL-2.0 */
/* A dumb buffer of a DRM driver, exported by PRIME. */
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "testexp.hpp"

namespace testexp {

/* "0,2M" or "vgem,2M" */
struct DrmSpec {
    std::string card; /* "0" for /dev/dri/card0, or the name of a driver */
    std::uint64_t bytes = 0;

    bool operator==(const DrmSpec&) const = default;
};

/* The error is EINVAL, and its text is one line that shows the right form. */
Result<DrmSpec> parse_drm(std::string_view text);

/**
 * The dma-buf keeps the memory, so the card is closed again. The error's text is one line. Its code
 * is EOPNOTSUPP where this machine lacks the card. @dri: a test has a directory of its own.
 */
Result<Fd> make_drm_buffer(const DrmSpec& spec, const std::filesystem::path& dri = "/dev/dri");

} // namespace testexp
