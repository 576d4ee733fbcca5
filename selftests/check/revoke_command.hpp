/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <chrono>
#include <string>

#include "source.hpp"

namespace check {

/*
 * An invalidation by shell commands. Without @restore the pages are not given back. A command that
 * runs longer than @limit is killed, and the invalidation fails.
 */
Invalidation invalidation_by(const std::string& revoke, const std::string& restore,
                             std::chrono::seconds limit);

} // namespace check
