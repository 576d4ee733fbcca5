// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: dmabuf-check takes a count for a leak only if the count grows in every round, and reads
 * the counts of /proc/slabinfo. It cannot see: whether the kernel counts right.
 */
#include <sstream>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "growth.hpp"
#include "slabs.hpp"
#include "used_pages.hpp"

using namespace check;

namespace {

TEST(Growth, OnlyWhatGrowsInEveryRoundIsALeak) {
    Growth growth;

    growth.add_round({{"a", 100}, {"b", 100}, {"c", 100}}, {{"a", 150}, {"b", 150}, {"c", 99}}, 50);
    EXPECT_EQ(growth.in_every_round(), (Usage{{"a", 50}, {"b", 50}}));
    growth.add_round({{"a", 150}, {"b", 150}, {"c", 99}}, {{"a", 210}, {"b", 199}, {"c", 999}}, 50);
    EXPECT_EQ(growth.in_every_round(), (Usage{{"a", 60}}));
    EXPECT_EQ(text_of(growth.in_every_round()), "60 a");
    growth.add_round({{"a", 210}, {"b", 0}}, {{"a", 210}, {"b", 999}}, 50);
    EXPECT_TRUE(growth.in_every_round().empty());
}

TEST(Growth, ACountThatWasNotThereBeforeWasZero) {
    Growth growth;

    growth.add_round({}, {{"a", 50}, {"b", 49}}, 50);
    EXPECT_EQ(growth.in_every_round(), (Usage{{"a", 50}}));
}

std::uint64_t used_pages(const std::string& meminfo, const std::string& zoneinfo) {
    std::istringstream memory(meminfo), zones(zoneinfo);

    return parse_used_pages(memory, zones);
}

/* Free pages that processors keep are not in use, although MemAvailable does not count them. */
TEST(UsedPages, AreNeitherAvailableNorInTheListOfAProcessor) {
    const std::string memory = "MemTotal:        8000 kB\nMemFree:         1000 kB\n"
                               "MemAvailable:    4000 kB\n";
    const std::string zones = "Node 0, zone      DMA\n  pages free     1000\n"
                              "  pagesets\n    cpu: 0\n              count:    30\n"
                              "              high:     378\n              batch:    63\n"
                              "    cpu: 1\n              count:    70\n";

    EXPECT_EQ(used_pages(memory, ""), 1000U);
    EXPECT_EQ(used_pages(memory, zones), 900U);
    EXPECT_THROW(used_pages("MemTotal: 8000 kB\n", zones), std::runtime_error);
}

TEST(Slabs, TheFirstNumberIsTheObjectsInUse) {
    std::istringstream lines(
        "slabinfo - version: 2.1\n"
        "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>\n"
        "dma_buf_list         17     42    192   21    1 : tunables    0    0    0\n"
        "kmalloc-64         4032   4096     64   64    1 : tunables    0    0    0\n");

    EXPECT_EQ(parse_slabs(lines), (Usage{{"objects of the slab cache dma_buf_list", 17},
                                         {"objects of the slab cache kmalloc-64", 4032}}));
}

TEST(Slabs, LeaveOutWhatTheKernelFreesLate) {
    std::istringstream lines(
        "vmap_area        2010   2040     72   56    1 : tunables    0    0\n");

    EXPECT_EQ(parse_slabs(lines), Usage{});
}

} // namespace
