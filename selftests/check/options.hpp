/* SPDX-License-Identifier: GPL-2.0 */
/* The command line of dmabuf-check. */
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "law.hpp"

namespace check {

struct Options {
    bool help = false;
    bool list = false;
    bool quick = false;
    const SourceKind* kind = nullptr; /* nullptr only with help or list */
    std::string argument;             /* of the kind */
    Settings settings;
    std::string revoke_by; /* a command for the shell, or empty */
    std::string restore_by;
    std::chrono::seconds revoke_timeout{300}; /* for each of these commands */
    std::vector<Need> required;               /* what the subject must have */
    std::string only;                         /* text in the names of the laws to check */
    std::uint64_t page_limit = 1 << 20;
};

/* Throws std::runtime_error with one line. */
Options parse(std::span<char*> arguments);

std::string help_text();

} // namespace check
