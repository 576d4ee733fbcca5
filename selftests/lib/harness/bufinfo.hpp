/* SPDX-License-Identifier: GPL-2.0 */
/* The list of all dma-bufs in debugfs. */
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace testexp {

/**
 * The lines of dma_buf/bufinfo. If debugfs is not mounted, mounts it for this process alone. Skips
 * when it cannot be mounted, or when the kernel has no such file.
 */
std::vector<std::string> bufinfo_lines();

/* A buffer in the list. */
struct ListedBuffer {
    std::uint64_t bytes = 0;
    std::string exporter;
    std::uint64_t inode = 0;
};

/* The buffer of a line, or nothing for a line of something else. */
std::optional<ListedBuffer> listed_buffer(const std::string& line);

} // namespace testexp
