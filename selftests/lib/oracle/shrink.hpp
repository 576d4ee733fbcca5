/* SPDX-License-Identifier: GPL-2.0 */
/* Finds a small layout that fails in place of a large one. */
#pragma once

#include <functional>

#include "layout.hpp"

namespace testexp {

/**
 * Removes extents, pages, kinds and bits of PFNs as long as @fails is true for the rest. @layout
 * itself must fail, and must consist of holes, private and SYNTHETIC extents without repeats. No
 * single further step makes the result smaller.
 */
Layout shrink(Layout layout, const std::function<bool(const Layout&)>& fails);

} // namespace testexp
