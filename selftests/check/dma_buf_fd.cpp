// SPDX-License-Identifier: GPL-2.0
#include "dma_buf_fd.hpp"

#include <fstream>

#include <linux/magic.h>
#include <sys/vfs.h>

namespace check {

std::string exporter_of(int fd, const std::string& what) {
    struct statfs file_system = {};

    if (fstatfs(fd, &file_system) < 0 || file_system.f_type != DMA_BUF_MAGIC)
        throw std::runtime_error(what + " is not a dma-buf");

    std::ifstream info("/proc/self/fdinfo/" + std::to_string(fd));
    const std::string key = "exp_name:";

    for (std::string line; std::getline(info, line);)
        if (line.starts_with(key))
            return line.substr(line.find_first_not_of(" \t", key.size()));
    return what;
}

} // namespace check
