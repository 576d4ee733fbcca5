/* SPDX-License-Identifier: GPL-2.0 */
/* What debugfs tells of all dma-bufs. */
#pragma once

#include <string>
#include <vector>

namespace testexp {

/**
 * The lines of dma_buf/bufinfo. Mounts debugfs for this process alone where it is not
 * mounted; skips when it cannot, or when the kernel has no such file.
 */
std::vector<std::string> bufinfo_lines();

} // namespace testexp
