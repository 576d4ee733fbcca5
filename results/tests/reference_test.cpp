// SPDX-License-Identifier: GPL-2.0
/* A path that costs more, or less, than the reference says is found; and only equals are compared.
 */
#include <gtest/gtest.h>

#include "reference.hpp"

namespace {

using report::compare_counts;
using report::Counts;

Counts make_counts(double per_op) {
    return {{{"clock", "icount"}, {"kernel", "6.12"}, {"abi", "3"}},
            {{"resolve/a", {{"per_op", per_op}, {"pages_per_op", 1}}},
             {"resolve/b", {{"per_op", 7}, {"pages_per_op", 512}}}}};
}

TEST(Reference, WhatIsWithinTheToleranceIsTheSame) {
    const auto changes = compare_counts(make_counts(100), make_counts(102), 2);

    EXPECT_FALSE(changes.any());
    EXPECT_EQ(changes.same, 2U);
}

TEST(Reference, MoreAndLessBeyondTheToleranceMoved) {
    for (const double per_op : {102.01, 97.99}) {
        const auto changes = compare_counts(make_counts(100), make_counts(per_op), 2);

        ASSERT_EQ(changes.moved.size(), 1U) << per_op;
        EXPECT_EQ(changes.moved[0].name, "resolve/a");
        EXPECT_EQ(changes.moved[0].counter, "per_op");
        EXPECT_EQ(changes.moved[0].after, per_op);
        EXPECT_EQ(changes.same, 1U);
    }
}

TEST(Reference, APathThatDeliversLessMoved) {
    Counts after = make_counts(100);

    after.cases["resolve/b"]["pages_per_op"] = 1;
    EXPECT_EQ(compare_counts(make_counts(100), after, 2).moved.size(), 1U);
    after.cases["resolve/b"].erase("pages_per_op");
    EXPECT_EQ(compare_counts(make_counts(100), after, 2).moved.size(), 1U);
    EXPECT_EQ(compare_counts(after, make_counts(100), 2).moved.size(), 1U);
}

TEST(Reference, NewAndGoneCasesAreChanges) {
    Counts more = make_counts(100);

    more.cases["resolve/c"]["per_op"] = 1;
    const auto added = compare_counts(make_counts(100), more, 2);
    const auto gone = compare_counts(more, make_counts(100), 2);

    EXPECT_TRUE(added.any());
    ASSERT_EQ(added.added.size(), 1U);
    EXPECT_EQ(added.added[0].name, "resolve/c");
    EXPECT_TRUE(gone.any());
    EXPECT_EQ(gone.gone.size(), 1U);
}

TEST(Reference, AnotherKernelIsNotComparable) {
    Counts other = make_counts(100);

    EXPECT_TRUE(report::differing_context(make_counts(100), other).empty());
    other.context["abi"] = "4";
    EXPECT_TRUE(report::differing_context(make_counts(100), other).empty())
        << "the version of our own ABI is no reason";
    other.context["kernel"] = "6.13";
    EXPECT_EQ(report::differing_context(make_counts(100), other),
              std::vector<std::string>{"kernel: 6.12, but 6.13"});
}

TEST(Reference, TwoKernelsAreComparableWhenThisIsAskedFor) {
    Counts other = make_counts(100);

    other.context["kernel"] = "7.3";
    other.context["flavour"] = "7.3";
    EXPECT_TRUE(report::differing_context(make_counts(100), other, report::Kernels::two).empty());
    other.context["compiler"] = "gcc 99";
    EXPECT_EQ(report::differing_context(make_counts(100), other, report::Kernels::two).size(), 1U);
    EXPECT_EQ(
        report::differing_context(make_counts(100), make_counts(100), report::Kernels::two).size(),
        1U)
        << "one kernel is not two";
}

TEST(Reference, SideBySideHasTheCasesOfBoth) {
    Counts other = make_counts(150);

    other.cases.erase("resolve/b");
    other.cases["resolve/c"]["per_op"] = 1;

    const auto rows = report::side_by_side(make_counts(100), other);

    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].before, 100);
    EXPECT_EQ(rows[0].after, 150);
    EXPECT_EQ(rows[1].before, 7);
    EXPECT_FALSE(rows[1].after);
    EXPECT_FALSE(rows[2].before);
    EXPECT_EQ(rows[2].after, 1);
}

TEST(Reference, SurvivesTheRoundTrip) {
    const Counts counts = make_counts(129.62);
    const Counts back = report::parse_reference(nlohmann::json::parse(reference_text(counts)));

    EXPECT_EQ(back.context, counts.context);
    EXPECT_EQ(back.cases, counts.cases);
}

TEST(Reference, TimesAreNoCounts) {
    report::Bench bench;

    bench.context["clock"] = "tsc";
    EXPECT_THROW(report::counts_of(bench), std::invalid_argument);
}

TEST(Reference, OnlyMeasuredCasesCount) {
    report::Bench bench;

    bench.context["clock"] = "icount";
    bench.cases.resize(2);
    bench.cases[0].name = "a";
    bench.cases[0].counters = {{"per_op", 2}, {"ops", 10}, {"pages", 20}};
    bench.cases[1].name = "b";
    bench.cases[1].error = "requires more";

    const Counts counts = report::counts_of(bench);

    ASSERT_EQ(counts.cases.size(), 1U);
    EXPECT_EQ(counts.cases.at("a").at("pages_per_op"), 2);
}

/* Where the pages of a buffer are differs from boot to boot, and the reference must not. */
TEST(Reference, OfAnotherExporterOnlyWhatRepeats) {
    const auto is_counted = [](const std::string& path, int orders) {
        report::Bench bench;
        report::BenchCase row;

        row.name = row.path = path;
        row.size_bytes = 4096;
        row.axes["exporter"] = "udmabuf";
        row.counters = {{"per_op", 2}, {"runs", 3}};
        for (int order = 0; order < orders; order++)
            row.counters["order_" + std::to_string(order)] = 1;
        bench.context["clock"] = "icount";
        bench.cases = {row};
        return report::counts_of(bench).cases.contains(path);
    };

    EXPECT_TRUE(is_counted("get_pfn", 2));
    EXPECT_TRUE(is_counted("get_pfn_stride", 1));
    EXPECT_FALSE(is_counted("get_pfn_stride", 2));
    EXPECT_FALSE(is_counted("sgt_map", 0));
    EXPECT_TRUE(is_counted("sgt_dma_to_phys", 0));
    EXPECT_TRUE(is_counted("follow_pfnmap_pte", 2));
    EXPECT_FALSE(is_counted("follow_pfnmap_cold", 1));
}

} // namespace
