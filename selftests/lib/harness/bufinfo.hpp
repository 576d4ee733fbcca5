/* SPDX-License-Identifier: GPL-2.0 */
/* The list of all dma-bufs in debugfs. */
#pragma once

#include <string>
#include <vector>

namespace testexp {

/**
 * The lines of dma_buf/bufinfo. If debugfs is not mounted, mounts it for this process alone. Skips
 * when it cannot be mounted, or when the kernel has no such file.
 */
std::vector<std::string> bufinfo_lines();

} // namespace testexp
