/* SPDX-License-Identifier: GPL-2.0 */
/* From a layout that fails to a small one that still does. */
#pragma once

#include <functional>

#include "layout.hpp"

namespace testexp {

/**
 * Takes away what can be taken: extents, pages, kinds, bits of PFNs, as long as
 * @fails says so of what is left. @layout does fail, and consists of holes, private
 * and SYNTHETIC extents without repeats; so does the result, which no single step of these makes
 * smaller.
 */
Layout shrink(Layout layout, const std::function<bool(const Layout&)>& fails);

} // namespace testexp
