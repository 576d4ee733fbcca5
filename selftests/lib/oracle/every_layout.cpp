// SPDX-License-Identifier: GPL-2.0
#include "every_layout.hpp"

#include <algorithm>
#include <bit>
#include <vector>

#include "testexp_uapi.h"

namespace testexp {

namespace {

/* Far above all offsets and alignments, so that no two values of pfn - pgoff are the same. */
constexpr int delta_bits = 20;

/* All extents with one value of pfn - pgoff. */
struct Delta {
    std::uint64_t value;
    std::uint64_t align; /* the largest power of two that divides the value */
    std::uint64_t start;
    std::uint64_t end; /* the page behind the last of these extents */
    Kind kind;         /* of the last of these extents */

    /*
     * Whether a block of this alignment fits between start and end. If not, a smaller alignment
     * would give the same answers.
     */
    bool is_used() const { return ((start + align - 1) & ~(align - 1)) + align <= end; }
};

class Enumeration {
public:
    Enumeration(const Bounds& bounds,
                const std::function<void(const Layout&, const Oracle&)>& visit)
        : bounds_(bounds), visit_(visit) {
        deltas_.reserve(bounds.max_extents); /* extents keep references to the elements */
    }

    std::uint64_t run() {
        add_extent();
        return count_;
    }

private:
    std::size_t extents_left() const { return bounds_.max_extents - layout_.extents.size(); }

    /* Adds one more extent, once of each kind. */
    void add_extent() {
        if (extents_left() == 0 || oracle_.nr_pages() == bounds_.max_pages)
            return;

        add_pages({.pfn = 0, .type = TESTEXP_EXTENT_HOLE}, nullptr);
        add_pages({.pfn = 0, .type = TESTEXP_EXTENT_PRIVATE}, nullptr);
        for (std::size_t i = 0; i < deltas_.size(); i++)
            add_old_delta(deltas_[i]);
        for (std::uint64_t align = 1; align <= bounds_.max_pages; align *= 2)
            add_new_delta(align);
    }

    void add_new_delta(std::uint64_t align) {
        const std::uint64_t pgoff = oracle_.nr_pages();
        const std::uint64_t value = ((deltas_.size() + 1) << delta_bits) + align;

        deltas_.push_back({.value = value,
                           .align = align,
                           .start = pgoff,
                           .end = pgoff,
                           .kind = {.cache = TESTEXP_CACHE_WB}});
        add_with_pfn(deltas_.back(), deltas_.back().kind);
        deltas_.pop_back();
    }

    /* A different kind matters only for an extent that touches the one before it. */
    void add_old_delta(Delta& delta) {
        const Kind before = delta.kind;
        Kind other_cache = before;
        Kind other_attributes = before;

        add_with_pfn(delta, before);
        if (delta.end != oracle_.nr_pages())
            return;

        other_cache.cache = before.cache == TESTEXP_CACHE_WB ? TESTEXP_CACHE_UC : TESTEXP_CACHE_WB;
        other_attributes.attributes ^= TESTEXP_EXTENT_P2P;
        add_with_pfn(delta, other_cache);
        add_with_pfn(delta, other_attributes);
    }

    void add_with_pfn(Delta& delta, Kind kind) {
        const Delta before = delta;

        delta.kind = kind;
        add_pages({.pfn = oracle_.nr_pages() + delta.value,
                   .type = TESTEXP_EXTENT_SYNTHETIC,
                   .cache = kind.cache,
                   .attributes = kind.attributes},
                  &delta);
        delta = before;
    }

    /* Adds an extent that begins with @page, with each length, and then every possible rest. */
    void add_pages(Page page, Delta* delta) {
        const std::uint64_t start = oracle_.nr_pages();

        begin_extent(page);
        while (oracle_.nr_pages() < bounds_.max_pages) {
            oracle_.push(page);
            page.pfn++;
            layout_.extents.back().nr_pages++;
            if (delta)
                delta->end = oracle_.nr_pages();
            if (!visit_and_go_on(delta))
                break;
        }
        while (oracle_.nr_pages() > start)
            oracle_.pop();
        layout_.extents.pop_back();
    }

    void begin_extent(const Page& page) {
        testexp_extent extent{};

        extent.repeat = 1;
        extent.type = page.type;
        extent.at = page.pfn;
        extent.cache = page.cache;
        extent.attributes = page.attributes;
        layout_.extents.push_back(extent);
    }

    /*
     * Returns false when no length of the last extent can lead to a layout that counts. The last
     * extent has @delta.
     */
    bool visit_and_go_on(const Delta* delta) {
        const auto unused = static_cast<std::size_t>(std::count_if(
            deltas_.begin(), deltas_.end(), [](const Delta& each) { return !each.is_used(); }));
        const std::size_t unused_here = delta && !delta->is_used() ? 1 : 0;

        if (unused == 0) {
            count_++;
            visit_(layout_, oracle_);
        }
        if (unused <= extents_left())
            add_extent();
        return unused - unused_here <= extents_left();
    }

    const Bounds bounds_;
    const std::function<void(const Layout&, const Oracle&)>& visit_;
    Layout layout_;
    Oracle oracle_; /* the oracle for layout_ */
    std::vector<Delta> deltas_;
    std::uint64_t count_ = 0;
};

} // namespace

std::uint64_t for_each_layout(const Bounds& bounds,
                              const std::function<void(const Layout&, const Oracle&)>& visit) {
    return Enumeration(bounds, visit).run();
}

} // namespace testexp
