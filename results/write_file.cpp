// SPDX-License-Identifier: GPL-2.0
#include "write_file.hpp"

#include <fstream>
#include <stdexcept>
#include <system_error>

namespace report {

namespace fs = std::filesystem;

void write_file(const fs::path& path, const std::string& text) {
    const fs::path unfinished = path.string() + ".new";
    std::ofstream file(unfinished);

    file << text;
    file.close();
    if (!file) {
        std::error_code ignored;

        fs::remove(unfinished, ignored);
        throw std::runtime_error("cannot write " + path.string() +
                                 ": is the disk full, or the directory read-only?");
    }
    fs::rename(unfinished, path);
}

} // namespace report
