// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: what an importer finds in a buffer of another exporter is counted right, and a path that
 * such a buffer cannot have is named with what the buffer lacks. Any other error stays a failure.
 */
#include <algorithm>
#include <cerrno>

#include <gtest/gtest.h>

#include "found.hpp"

namespace {

using namespace bench;

testexp_result page(std::uint64_t pfn, int order) {
    testexp_result result{};

    result.pfn = pfn;
    result.max_order = order;
    return result;
}

testexp_result failed(int error) {
    testexp_result result{};

    result.error = -error;
    return result;
}

/* The plain case of @path on a buffer of @size. */
Case row_of(testexp_path path, const char* exporter = "udmabuf:8M") {
    const auto plan = make_foreign_plan(testexp::parse_foreign(exporter).value());
    const auto found = std::ranges::find(plan, path, [](const Case& row) { return row.spec.path; });

    return *found;
}

TEST(Found, CountsRunsAndOrders) {
    const testexp_result pages[] = {page(8, 1), page(9, 1), page(20, 0), page(10, 0)};
    Found found;

    add_pages(found, pages);
    EXPECT_EQ(found.no_pfn, "");
    EXPECT_EQ(found.runs, 3U);
    EXPECT_EQ(found.counters(),
              (std::map<std::string, double>{{"runs", 3}, {"order_0", 2}, {"order_1", 2}}));
}

TEST(Found, TakesRunsOfTheMappingWhereThereAreNoPfns) {
    const testexp_map_entry segments[] = {
        {.dma_address = 0x1000, .length_bytes = 0x2000, .link_pfn = 0},
        {.dma_address = 0x3000, .length_bytes = 0x1000, .link_pfn = 0},
        {.dma_address = 0x8000, .length_bytes = 0x1000, .link_pfn = 0}};
    const testexp_result none[] = {failed(EINVAL)};
    const testexp_result some[] = {page(1, 0)};
    Found without;
    Found with;

    add_pages(without, none);
    add_segments(without, segments);
    add_pages(with, some);
    add_segments(with, segments);
    EXPECT_EQ(without.runs, 2U);
    EXPECT_EQ(with.runs, 1U);
}

TEST(Found, APathThatTheBufferCannotHaveIsNamed) {
    const testexp_result none[] = {failed(EINVAL)};
    const testexp_result half[] = {page(1, 0), failed(ENXIO)};
    Found without;
    Found partly;

    add_pages(without, none);
    add_pages(partly, half);
    without.no_map = "a mapping";
    EXPECT_EQ(what_is_lacking(row_of(TESTEXP_PATH_GET_PFN), without, false),
              "get_pfn, which this exporter does not have");
    EXPECT_EQ(what_is_lacking(row_of(TESTEXP_PATH_EXPORTER_OP), without, false),
              "get_pfn, which this exporter does not have");
    EXPECT_NE(what_is_lacking(row_of(TESTEXP_PATH_GET_PFN_STRIDE), partly, false).find("page 1"),
              std::string::npos);
    EXPECT_EQ(partly.counters(), (std::map<std::string, double>{}));
    EXPECT_EQ(what_is_lacking(row_of(TESTEXP_PATH_SGT_CACHED), without, false), "a mapping");
    EXPECT_NE(what_is_lacking(row_of(TESTEXP_PATH_PHYS_LIST), Found{}, false), "");
    EXPECT_EQ(what_is_lacking(row_of(TESTEXP_PATH_SGT_MAP), Found{}, false), "");
    EXPECT_EQ(what_is_lacking(row_of(TESTEXP_PATH_FOLLOW_PFNMAP_PTE), without, false), "");
}

TEST(Found, OnlyCountingBoundsTheNumberOfRuns) {
    const Case row = row_of(TESTEXP_PATH_SGT_MAP);
    const Case fault = row_of(TESTEXP_PATH_FOLLOW_PFNMAP_COLD, "udmabuf:64M");
    Found found;

    found.runs = 8192;
    EXPECT_EQ(what_is_lacking(row, found, true), "");
    found.runs = 8193;
    EXPECT_NE(what_is_lacking(row, found, true), "");
    EXPECT_EQ(what_is_lacking(row, found, false), "");
    EXPECT_NE(what_is_lacking(fault, Found{}, true), "");
    EXPECT_EQ(what_is_lacking(fault, Found{}, false), "");
}

TEST(Found, RandomPagesNeedAPowerOfTwo) {
    const auto random_of = [](const char* exporter) {
        const auto plan = make_foreign_plan(testexp::parse_foreign(exporter).value());

        return *std::ranges::find(plan, TESTEXP_SEQUENCE_RANDOM,
                                  [](const Case& row) { return row.spec.sequence; });
    };

    EXPECT_EQ(what_is_lacking(random_of("udmabuf:8M"), Found{}, false), "");
    EXPECT_NE(what_is_lacking(random_of("udmabuf:12M"), Found{}, false), "");
}

TEST(Found, OnlyAMissingCallbackIsALackOfTheExporter) {
    for (const int code : {EINVAL, EOPNOTSUPP, ENODEV})
        EXPECT_TRUE(is_lack_of_exporter(code)) << code;
    for (const int code : {ENOMEM, EINTR, EFAULT, EPERM, EIO, ENOSPC, EBUSY})
        EXPECT_FALSE(is_lack_of_exporter(code)) << code;
}

TEST(Found, BytesHaveAUnitThatShowsThem) {
    EXPECT_EQ(text_of_bytes(std::uint64_t{64} << 20), "64 MiB");
    EXPECT_EQ(text_of_bytes(4096), "4 KiB");
    EXPECT_EQ(text_of_bytes(std::uint64_t{1536} << 10), "1536 KiB");
}

TEST(Found, OnlyErrorsOfALackAreNoFailures) {
    const auto explained = [](testexp_path path, int code) {
        return explain_measure(row_of(path), {code, "MEASURE"}).what.starts_with(requires_prefix);
    };

    EXPECT_TRUE(explained(TESTEXP_PATH_FOLLOW_PFNMAP_PTE, EINVAL));
    EXPECT_TRUE(explained(TESTEXP_PATH_FOLLOW_PFNMAP_PMD, ENODATA));
    EXPECT_TRUE(explained(TESTEXP_PATH_FOLLOW_PFNMAP_COLD, EFAULT));
    EXPECT_FALSE(explained(TESTEXP_PATH_FOLLOW_PFNMAP_PTE, EFAULT));
    EXPECT_FALSE(explained(TESTEXP_PATH_FOLLOW_PFNMAP_PTE, EINTR));
    EXPECT_FALSE(explained(TESTEXP_PATH_GET_PFN, EINVAL));
    EXPECT_FALSE(explained(TESTEXP_PATH_SGT_MAP, ENOMEM));
}

} // namespace
