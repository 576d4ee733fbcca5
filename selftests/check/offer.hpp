/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <cerrno>

namespace check {

/*
 * Whether this errno of attach, map_dma_buf or mmap means that the exporter does not offer this for
 * such an importer or buffer: a reason to skip a law. The core returns EINVAL where the exporter
 * has no callback. Any other error is a failure.
 */
inline bool is_not_offered(int code) {
    return code == EINVAL || code == EOPNOTSUPP || code == ENODEV;
}

} // namespace check
