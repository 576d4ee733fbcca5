/* SPDX-License-Identifier: GPL-2.0 */
/* Which ways to take the pages away a law of invalidation tries. */
#pragma once

#include <span>
#include <vector>

#include "source.hpp"

namespace check {

/* All ways after which the buffer has pages again. */
std::vector<const Invalidation*> ways_that_end(std::span<const Invalidation> ways);

/*
 * The last way that is for good, which is the user's own where there is one. After one such way
 * nothing is left that another way could take away.
 */
std::vector<const Invalidation*> way_for_good(std::span<const Invalidation> ways);

} // namespace check
