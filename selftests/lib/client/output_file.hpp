/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A result file that is either the old one or the whole new one.
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
     * Opens a temporary file beside @path, so that a directory that is missing or
     * read-only is found before anything is measured. What is no regular file (a
     * terminal, a pipe, /dev/null) is written to as it is.
     */
    static Result<OutputFile> open(const std::filesystem::path& path);

    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&&) = delete;
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;
    ~OutputFile(); /* without commit() the old file stays as it was */

    /* Writes @text and puts the new file in the old one's place. Once. */
    Status commit(std::string_view text);

private:
    OutputFile(std::filesystem::path path, std::string temporary, Fd fd);

    std::filesystem::path path_;
    std::string temporary_; /* empty when there is none (any more) */
    Fd fd_;
};

/* The same in one step, for a text that is there already. */
Status write_file(const std::filesystem::path& path, std::string_view text);

} // namespace testexp
