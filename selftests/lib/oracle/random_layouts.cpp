// SPDX-License-Identifier: GPL-2.0
#include "random_layouts.hpp"

#include "testexp_uapi.h"

namespace testexp {

Layout RandomLayouts::next() {
    Layout layout;

    for (std::uint64_t left = 1 + below(bounds_.max_extents); left; left--)
        add_extent(layout);
    return layout;
}

/* Short and long lengths are equally likely. Every second length is a power of two or one less. */
std::uint64_t RandomLayouts::length() {
    const std::uint64_t power = std::uint64_t{1} << below(bounds_.max_length_order + 1);

    if (below(2))
        return 1 + below(power);
    return power == 1 ? power : power - below(2);
}

Kind RandomLayouts::any_kind() {
    return {.cache = static_cast<testexp_cache>(below(TESTEXP_CACHE_MODES)),
            .attributes = below(2) ? TESTEXP_EXTENT_P2P : 0U};
}

void RandomLayouts::add_extent(Layout& layout) {
    const std::uint64_t choice = below(12);

    if (choice == 0)
        layout.hole(length());
    else if (choice == 1)
        layout.priv(length());
    else if (choice < 6)
        add_anywhere(layout);
    else
        add_related(layout);
}

/* Often pfn == pgoff modulo a power of two: without this there would be no large blocks. */
void RandomLayouts::add_anywhere(Layout& layout) {
    const std::uint64_t block = std::uint64_t{1} << below(42);
    const std::uint64_t pfn = random_() / block * block;

    add_synthetic(layout, pfn + (below(3) ? layout.nr_pages() % block : below(block)), length(),
                  any_kind());
}

/*
 * Relates the new extent to an earlier one, in two cases of three to the last one, in ways that a
 * lookup could take for a continuation.
 */
void RandomLayouts::add_related(Layout& layout) {
    if (layout.extents.empty())
        return add_anywhere(layout);

    const std::size_t last = layout.extents.size() - 1;
    const std::size_t which = below(3) ? last : below(last + 1);
    const testexp_extent other = layout.extents[which];
    const std::uint64_t nr_pages = below(2) ? length() : other.nr_pages;
    const Kind kind = below(2) ? any_kind()
                               : Kind{.cache = static_cast<testexp_cache>(other.cache),
                                      .attributes = other.attributes};
    std::uint64_t between = 0; /* pages between the starts of the two extents */

    for (std::size_t i = which; i <= last; i++)
        between += layout.extents[i].nr_pages;

    const std::uint64_t pfns[] = {
        other.at + other.nr_pages, /* continues the other extent, which need not touch it */
        other.at + between,        /* has the PFNs that the other extent would have here */
        other.at - nr_pages,       /* ends where the other extent begins */
        other.at,                  /* has the same PFNs as the other extent */
    };

    add_synthetic(layout, pfns[below(std::size(pfns))], nr_pages, kind);
}

/* A PFN that is too large loses its upper bits and keeps its alignment. */
void RandomLayouts::add_synthetic(Layout& layout, std::uint64_t pfn, std::uint64_t nr_pages,
                                  Kind kind) {
    layout.synthetic(pfn % (std::uint64_t{1} << (TESTEXP_PFN_BITS - 1)), nr_pages, kind);
}

} // namespace testexp
