/* SPDX-License-Identifier: GPL-2.0 */
/* What testexp_layout_append() of the module's layout.c promises, for any layout. */
#pragma once

#include <string>

#include "layout.hpp"

/**
 * Appends the extents of @layout, whose places are PFNs. Returns what is wrong, or "". The array
 * needs one entry for each run of pages that continue one another. With one entry less, the last
 * run is refused with -ENOSPC. A length that would wrap is refused with -EOVERFLOW. Neither refusal
 * changes anything.
 */
std::string wrong_append(const testexp::Layout& layout);
