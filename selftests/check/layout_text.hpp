/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A buffer of the test exporter as a word of the command line: extents and flags, with commas.
 *
 *   ram:N[@ORDER][xTIMES]   N pages, aligned to 2^ORDER, TIMES such extents
 *   hole:N  private:N       pages without a PFN
 *   mmio:N[@AT]             pages of the BAR, from page AT on; wc:N[@AT]: write-combined
 *   synthetic:N@PFN         PFNs without memory
 *   alias:N[@AT]            RAM of page AT once more
 *   dynamic, revocable, scatter, cache_sgt, huge, no_map, no_mmap, no_get_pfn, no_attrs
 *                           flags of CREATE
 */
#pragma once

#include <string>

#include "testexp.hpp"

namespace check {

/* Throws std::runtime_error for a word that is none of these. */
testexp::CreateSpec layout_of(const std::string& text);

} // namespace check
