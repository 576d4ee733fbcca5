/* SPDX-License-Identifier: GPL-2.0 */
/* Which ways to take the pages away a law of invalidation tries, and how often each tells. */
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
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

/* All ways after which the buffer has no pages, and that give the pages back later. */
std::vector<const Invalidation*> revokes_that_end(std::span<const Invalidation> ways);

/*
 * Says what is wrong when an importer's callback was called @is times. @promised: how often the
 * exporter must call the callback; nothing: at least once.
 */
std::optional<std::string> callbacks_fault(std::optional<std::uint64_t> promised, std::uint64_t is);

} // namespace check
