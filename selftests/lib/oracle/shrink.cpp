// SPDX-License-Identifier: GPL-2.0
#include "shrink.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "testexp_uapi.h"

namespace testexp {

namespace {

/*
 * What makes a layout hard to read, the worst property first. Every step lowers the weight, so the
 * shrinking ends.
 */
auto weight(const Layout& layout) {
    std::uint64_t pages = 0;
    std::uint64_t kinds = 0;
    std::uint64_t pfn_bits = 0;
    std::uint64_t pfns = 0;

    for (const testexp_extent& extent : layout.extents) {
        pages += extent.nr_pages;
        kinds += (extent.cache != TESTEXP_CACHE_WB) + (extent.cache == TESTEXP_CACHE_WC) +
                 (extent.attributes != 0) + (extent.type == TESTEXP_EXTENT_PRIVATE);
        pfn_bits += static_cast<std::uint64_t>(std::popcount(extent.at));
        pfns += extent.at;
    }
    return std::tuple(layout.extents.size(), pages, kinds, pfn_bits, pfns);
}

/* The ABI limits PFNs. */
bool fits(const testexp_extent& extent) {
    return extent.at + extent.nr_pages <= std::uint64_t{1} << TESTEXP_PFN_BITS;
}

/* Tries one step after another and keeps each step after which the layout still fails. */
class Shrinker {
public:
    Shrinker(Layout layout, const std::function<bool(const Layout&)>& fails)
        : layout_(std::move(layout)), fails_(fails) {}

    Layout run() {
        while (drop_extents() || shorten() || simplify_kinds() || move_pfns())
            continue;
        return std::move(layout_);
    }

private:
    bool try_step(Layout smaller) {
        if (smaller.extents.empty() || weight(smaller) >= weight(layout_) || !fails_(smaller))
            return false;
        layout_ = std::move(smaller);
        return true;
    }

    /*
     * Tries both ways to treat the extents behind a place that lost @nr_pages: their PFNs stay, or
     * move down by as much, which keeps their alignment.
     */
    bool try_both(const Layout& smaller, std::size_t behind, std::uint64_t nr_pages) {
        Layout followed = smaller;

        for (std::size_t i = behind; i < followed.extents.size(); i++) {
            testexp_extent& extent = followed.extents[i];

            if (extent.type == TESTEXP_EXTENT_SYNTHETIC)
                extent.at -= std::min<std::uint64_t>(extent.at, nr_pages);
        }
        return try_step(smaller) || try_step(std::move(followed));
    }

    /* Tries to drop many extents at once first, because there may be thousands. */
    bool drop_extents() {
        for (std::size_t count = std::bit_floor(layout_.extents.size()); count != 0; count /= 2)
            for (std::size_t first = 0; first + count <= layout_.extents.size(); first += count)
                if (drop(first, count))
                    return true;
        for (std::size_t i = 0; i + 1 < layout_.extents.size(); i++)
            if (merge(i))
                return true;
        return false;
    }

    bool drop(std::size_t first, std::size_t count) {
        Layout smaller = layout_;
        const auto begin = smaller.extents.begin() + static_cast<std::ptrdiff_t>(first);
        const auto end = begin + static_cast<std::ptrdiff_t>(count);
        std::uint64_t nr_pages = 0;

        for (auto extent = begin; extent != end; ++extent)
            nr_pages += extent->nr_pages;
        smaller.extents.erase(begin, end);
        return try_both(smaller, first, nr_pages);
    }

    /* Replaces the next extent by a longer extent @i. */
    bool merge(std::size_t i) {
        Layout smaller = layout_;
        const auto next = smaller.extents.begin() + static_cast<std::ptrdiff_t>(i + 1);

        smaller.extents[i].nr_pages += next->nr_pages;
        smaller.extents.erase(next);
        return fits(smaller.extents[i]) && try_step(std::move(smaller));
    }

    bool shorten() {
        for (std::size_t i = 0; i < layout_.extents.size(); i++)
            for (std::uint64_t less = layout_.extents[i].nr_pages - 1; less != 0; less /= 2) {
                Layout smaller = layout_;

                smaller.extents[i].nr_pages -= less;
                if (try_both(smaller, i + 1, less))
                    return true;
            }
        return false;
    }

    /* Tries the change on all extents, then on each one alone. */
    template <typename Change> bool try_change(const Change& change) {
        Layout all = layout_;

        for (testexp_extent& extent : all.extents)
            change(extent);
        if (try_step(std::move(all)))
            return true;

        for (std::size_t i = 0; i < layout_.extents.size(); i++) {
            Layout one = layout_;

            change(one.extents[i]);
            if (try_step(std::move(one)))
                return true;
        }
        return false;
    }

    bool simplify_kinds() {
        return try_change([](testexp_extent& extent) { extent.attributes = 0; }) ||
               try_change([](testexp_extent& extent) { extent.cache = TESTEXP_CACHE_WB; }) ||
               try_change([](testexp_extent& extent) {
                   if (extent.cache == TESTEXP_CACHE_WC)
                       extent.cache = TESTEXP_CACHE_UC;
               }) ||
               try_change([](testexp_extent& extent) {
                   if (extent.type == TESTEXP_EXTENT_PRIVATE)
                       extent.type = TESTEXP_EXTENT_HOLE;
               });
    }

    bool move_pfns() {
        for (int bit = TESTEXP_PFN_BITS - 1; bit >= 0; bit--)
            if (clear_bit(bit) || subtract(std::uint64_t{1} << bit))
                return true;
        return false;
    }

    bool clear_bit(int bit) {
        return try_change([=](testexp_extent& extent) { extent.at &= ~(std::uint64_t{1} << bit); });
    }

    bool subtract(std::uint64_t pages) {
        return try_change([=](testexp_extent& extent) {
            if (extent.at >= pages)
                extent.at -= pages;
        });
    }

    Layout layout_;
    const std::function<bool(const Layout&)>& fails_;
};

} // namespace

Layout shrink(Layout layout, const std::function<bool(const Layout&)>& fails) {
    return Shrinker(std::move(layout), fails).run();
}

} // namespace testexp
