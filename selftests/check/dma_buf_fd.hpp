/* SPDX-License-Identifier: GPL-2.0 */
/* Descriptors that a source received. A descriptor may be of something else than a dma-buf. */
#pragma once

#include <string>

#include "source.hpp"

namespace check {

/* The name of the exporter. Throws one line that begins with @what if @fd is not a dma-buf. */
std::string exporter_of(int fd, const std::string& what);

} // namespace check
