/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random layouts, the same for the same seed. Many of their extents have neighbours that a lookup
 * could mistake for a continuation.
 */
#pragma once

#include <cstdint>
#include <random>

#include "layout.hpp"

namespace testexp {

struct RandomBounds {
    std::uint64_t max_extents = 12;
    std::uint64_t max_length_order = 10; /* an extent has up to 2^this pages; at most 40 */
};

class RandomLayouts {
public:
    explicit RandomLayouts(std::uint64_t seed, RandomBounds bounds = {})
        : bounds_(bounds), random_(seed) {}

    /* A layout of holes, private and SYNTHETIC extents. */
    Layout next();

private:
    std::uint64_t below(std::uint64_t n) { return random_() % n; }
    std::uint64_t length();
    Kind any_kind();
    void add_extent(Layout& layout);
    void add_anywhere(Layout& layout);
    void add_related(Layout& layout);
    void add_synthetic(Layout& layout, std::uint64_t pfn, std::uint64_t nr_pages, Kind kind);

    RandomBounds bounds_;
    std::mt19937_64 random_;
};

} // namespace testexp
