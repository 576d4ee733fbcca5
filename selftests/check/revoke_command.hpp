/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <string>

#include "source.hpp"

namespace check {

/* An invalidation by shell commands. Without @restore the pages are not given back. */
Invalidation invalidation_by(const std::string& revoke, const std::string& restore);

} // namespace check
