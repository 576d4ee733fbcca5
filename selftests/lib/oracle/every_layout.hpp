/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every layout of up to so many pages in up to so many extents, up to equivalence,
 * with the oracle that belongs to each.
 *
 * All lengths, and for each extent: a hole, private, or with PFNs. Of extents with
 * PFNs the contract knows nothing but
 *   - the largest power of two that pfn - pgoff is a multiple of; and of that only
 *     what is not more than the largest block that fits into the place
 *   - whether the next extent has the same pfn - pgoff, and so continues it
 *   - whether that one is of the same kind
 * so one layout stands for all that agree in these. What lies between extents that
 * do not touch is nothing to the contract, but code may take the one for the
 * continuation of the other; so an extent with the pfn - pgoff of any before it,
 * not only of the last, is another choice, and the place into which a block has to
 * fit is all from the first to the last extent with one pfn - pgoff: also the blocks
 * that a border forbids have to be possible.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "layout.hpp"
#include "oracle.hpp"

namespace testexp {

struct Bounds {
    std::uint64_t max_pages;
    std::size_t max_extents;
};

/* Calls @visit with each, always in the same order. Returns how many there are. */
std::uint64_t for_each_layout(const Bounds& bounds,
                              const std::function<void(const Layout&, const Oracle&)>& visit);

} // namespace testexp
