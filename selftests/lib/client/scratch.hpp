/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

/* An empty temporary directory, which is removed when the test ends. */
struct Scratch {
    std::filesystem::path path;

    Scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "testexp.XXXXXX").string();
        if (!mkdtemp(name.data()))
            throw std::runtime_error("cannot make " + name);
        path = name;
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        std::error_code none;
        std::filesystem::remove_all(path, none);
    }
};
