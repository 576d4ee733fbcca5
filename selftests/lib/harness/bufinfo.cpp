// SPDX-License-Identifier: GPL-2.0
#include "bufinfo.hpp"

#include <fstream>
#include <sstream>

#include "fixture.hpp"

namespace testexp {

namespace {

constexpr const char* bufinfo_path = "/sys/kernel/debug/dma_buf/bufinfo";

} // namespace

std::vector<std::string> bufinfo_lines() {
    mount_debugfs();

    std::ifstream file(bufinfo_path);
    std::vector<std::string> lines;

    if (!file)
        ksft::skip("the kernel has no dma_buf/bufinfo in debugfs");
    for (std::string line; std::getline(file, line);)
        lines.push_back(line);
    return lines;
}

std::optional<ListedBuffer> listed_buffer(const std::string& line) {
    std::istringstream fields(line);
    std::string flags;
    std::string mode;
    std::string references;
    ListedBuffer buffer;

    if (line.starts_with('\t') ||
        !(fields >> buffer.bytes >> flags >> mode >> references >> buffer.exporter >> buffer.inode))
        return std::nullopt;
    return buffer;
}

} // namespace testexp
