// SPDX-License-Identifier: GPL-2.0
/*
 * The plan has every case once, under the name that results are looked up by,
 * and needs one buffer at a time.
 */
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "plan.hpp"

namespace {

using bench::Case;

const Case* find(const std::vector<Case>& plan, const std::string& name) {
    const auto found = std::ranges::find(plan, name, &Case::name);

    return found == plan.end() ? nullptr : &*found;
}

TEST(Plan, NamesAreThoseOfTheSchemaAndUnique) {
    const std::vector<Case> plan = bench::make_plan(bench::full_preset);
    std::set<std::string> names;

    for (const Case& row : plan)
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(names.contains("baseline/empty_loop"));
    EXPECT_TRUE(names.contains("baseline/lock_unlock"));
    EXPECT_TRUE(names.contains("baseline/exporter_op"));
    for (const char* path : {"get_pfn", "get_pfn_stride", "get_pfn_batch", "sgt_map"}) {
        for (const char* order : {"0", "4", "9", "10"}) {
            const std::string begin = std::string("resolve/path:") + path + "/size:";

            EXPECT_TRUE(names.contains(begin + "1073741824/order:" + order)) << path << order;
            EXPECT_EQ(names.contains(begin + "2097152/order:" + order), *order != '1')
                << "2 MiB have room for order 9, not for 10";
        }
    }
}

TEST(Plan, ShapesFollowOneAnother) {
    std::set<std::pair<std::uint64_t, std::uint32_t>> done;
    bench::Shape current;

    for (const Case& row : bench::make_plan(bench::full_preset)) {
        if (row.shape != current) {
            EXPECT_TRUE(done.emplace(row.shape.size_bytes, row.shape.order).second)
                << row.name << " makes its buffer again";
            current = row.shape;
        }
    }
}

TEST(Plan, QuickIsASmallerFormOfTheWhole) {
    const std::vector<Case> quick = bench::make_plan(bench::quick_preset);
    const std::vector<Case> full = bench::make_plan(bench::full_preset);

    EXPECT_LT(quick.size(), full.size());
    for (const Case& row : quick)
        EXPECT_NE(find(full, row.name), nullptr) << row.name;
}

TEST(Plan, BatchesOfCallsPassOverTheWholeBuffer) {
    const std::vector<Case> plan = bench::make_plan(bench::full_preset);
    const Case* row = find(plan, "resolve/path:get_pfn/size:1073741824/order:0");

    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->spec.nr_pages, row->shape.nr_pages());
    EXPECT_GE(row->spec.batches * row->spec.ops_per_batch, row->shape.nr_pages());
    EXPECT_TRUE(row->needs_for_icount.empty());
}

TEST(Plan, WholeBufferOperationsAreBoundedAndMarked) {
    const std::vector<Case> plan = bench::make_plan(bench::full_preset);
    const Case* small = find(plan, "resolve/path:sgt_map/size:2097152/order:0");
    const Case* large = find(plan, "resolve/path:sgt_map/size:1073741824/order:0");

    ASSERT_TRUE(small != nullptr && large != nullptr);
    EXPECT_EQ(small->spec.ops_per_batch, 1U);
    EXPECT_EQ(small->spec.batches, 200U);
    EXPECT_TRUE(small->needs_for_icount.empty());
    EXPECT_LT(large->spec.batches, 10U);
    EXPECT_FALSE(large->needs_for_icount.empty());
}

} // namespace
