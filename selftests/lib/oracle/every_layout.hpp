/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Visits every layout with a limited number of pages and extents, each with its oracle. Of layouts
 * that must give the same answers it visits only one.
 *
 * An extent is a hole, private, or has PFNs. For an extent with PFNs the contract depends only on
 * - the largest power of two that divides pfn - pgoff, as far as a block of that size fits;
 * - whether the next extent has the same pfn - pgoff and so continues this one;
 * - whether the next extent is of the same kind.
 *
 * The contract takes no notice of extents that do not touch. Code might, and might take one such
 * extent for the continuation of another. Therefore the enumeration also gives an extent the pfn -
 * pgoff of any earlier extent, not only of the last. For the same reason a block counts as one that
 * fits if it fits between the first and the last extent with the same pfn - pgoff: this includes
 * blocks that a border between extents forbids.
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

/* Calls @visit with each layout, always in the same order. Returns the number of layouts. */
std::uint64_t for_each_layout(const Bounds& bounds,
                              const std::function<void(const Layout&, const Oracle&)>& visit);

} // namespace testexp
