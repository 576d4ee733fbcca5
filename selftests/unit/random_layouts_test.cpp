// SPDX-License-Identifier: GPL-2.0
/* Claim: random layouts are repeatable, within the limits of the ABI, and varied. */
#include <cstdint>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "random_layouts.hpp"

namespace {

using testexp::Layout;
using testexp::RandomLayouts;

constexpr std::uint64_t max_pfns = std::uint64_t{1} << TESTEXP_PFN_BITS;

bool alike(const testexp_extent& a, const testexp_extent& b) {
    return a.type == b.type && a.cache == b.cache && a.attributes == b.attributes;
}

/* How @extent relates to @last, which it touches. Both have PFNs. */
std::string relation(const testexp_extent& last, const testexp_extent& extent) {
    if (extent.at == last.at + last.nr_pages)
        return alike(last, extent) ? "continues" : "continues_otherwise";
    if (extent.at + extent.nr_pages == last.at)
        return "reversed";
    return extent.at == last.at ? "repeated" : "elsewhere";
}

TEST(RandomLayouts, SameForTheSameSeed) {
    RandomLayouts first(3);
    RandomLayouts second(3);
    RandomLayouts other(4);
    int different = 0;

    for (int round = 0; round < 100; round++) {
        const std::string code = first.next().code();

        EXPECT_EQ(code, second.next().code());
        different += code != other.next().code();
    }
    EXPECT_GT(different, 90);
}

TEST(RandomLayouts, KeepTheLimits) {
    RandomLayouts layouts(5, {.max_extents = 12, .max_length_order = 40});
    std::uint64_t most = 0;

    for (int round = 0; round < 10000; round++) {
        const Layout layout = layouts.next();

        for (const testexp_extent& extent : layout.extents) {
            ASSERT_GT(extent.nr_pages, 0U);
            ASSERT_EQ(extent.repeat, 1U);
            ASSERT_LE(extent.at + extent.nr_pages, max_pfns) << layout.code();
        }
        most = std::max(most, layout.nr_pages());
    }
    EXPECT_GT(most, std::uint64_t{1} << 38); /* 2^50 bytes */
    EXPECT_LT(most, std::uint64_t{1} << 51);
}

TEST(RandomLayouts, HaveEveryRelation) {
    RandomLayouts layouts(6);
    std::map<std::string, int> seen;

    for (int round = 0; round < 1000; round++) {
        const testexp_extent* last = nullptr;
        const Layout layout = layouts.next();

        for (const testexp_extent& extent : layout.extents) {
            seen["type" + std::to_string(extent.type)]++;
            if (last && last->type == TESTEXP_EXTENT_SYNTHETIC &&
                extent.type == TESTEXP_EXTENT_SYNTHETIC)
                seen[relation(*last, extent)]++;
            last = &extent;
        }
    }
    for (const char* what : {"type1", "type2", "type4", "continues", "continues_otherwise",
                             "reversed", "repeated", "elsewhere"})
        EXPECT_GT(seen[what], 100) << what;
}

} // namespace
