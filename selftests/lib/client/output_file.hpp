/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A result file that is replaced as a whole: a reader sees either the old or the complete new one.
 */
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "testexp.hpp"

namespace testexp {

class OutputFile {
public:
    /**
     * Opens a temporary file beside @path, so that a missing or read-only directory is reported
     * before anything is measured. A terminal, a pipe or a device is written to directly.
     */
    static Result<OutputFile> open(const std::filesystem::path& path);

    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&&) = delete;
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;
    ~OutputFile(); /* without commit() the old file stays */

    /* Writes @text and replaces the old file. To be called once. */
    Status commit(std::string_view text);

private:
    OutputFile(std::filesystem::path path, std::string temporary, Fd fd);

    std::filesystem::path path_;
    std::string temporary_; /* empty if there is none, or none any more */
    Fd fd_;
};

/* Opens and commits in one step. */
Status write_file(const std::filesystem::path& path, std::string_view text);

} // namespace testexp
