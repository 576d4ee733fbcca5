/* SPDX-License-Identifier: GPL-2.0 */
/* What testexp_layout_append() of the module's layout.c promises, for any layout. */
#pragma once

#include <string>

#include "layout.hpp"

/**
 * Appends the extents of @layout, whose places are PFNs, and says what is wrong, or
 * nothing. The array needs one entry for each run of pages that continue each
 * other; with one less it is -ENOSPC at the last run; a length that would wrap is
 * -EOVERFLOW; and neither of these changes anything.
 */
std::string wrong_append(const testexp::Layout& layout);
