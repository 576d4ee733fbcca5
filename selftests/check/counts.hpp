/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel counts for the buffer and for the module. A difference is a leak. */
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "subject.hpp"

namespace check {

/* Name and number. */
using Counts = std::map<std::string, std::uint64_t>;

Counts count_all(const Subject& subject);

/* Expects that the counts are as they were. Waits for counts that the kernel lowers late. */
void expect_counts(const Subject& subject, const Counts& before, const std::string& when);

/* The number of attachments that bufinfo lists for the buffer; nothing where there is no bufinfo.
 */
std::optional<std::uint64_t> attachments_in_bufinfo(const Subject& subject);

} // namespace check
