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

const bench::Preset* const presets[] = {&bench::quick_preset, &bench::default_preset,
                                        &bench::full_preset};

TEST(Plan, NamesAreThoseOfTheSchemaAndUnique) {
    const std::vector<Case> plan = bench::make_plan(bench::default_preset);
    std::set<std::string> names;

    for (const Case& row : plan)
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(names.contains("baseline/empty_loop"));
    EXPECT_TRUE(names.contains("baseline/empty_loop/sequence:random"));
    EXPECT_TRUE(names.contains("baseline/lock_unlock"));
    EXPECT_TRUE(names.contains("baseline/exporter_op"));
    for (const char* path : {"get_pfn", "get_pfn_stride", "get_pfn_batch", "sgt_map", "sgt_cached",
                             "sgt_dma_to_phys", "follow_pfnmap_pte", "phys_list"}) {
        for (const char* order : {"0", "4", "9", "10"}) {
            const std::string begin = std::string("resolve/path:") + path + "/size:";

            EXPECT_TRUE(names.contains(begin + "1073741824/order:" + order)) << path << order;
            EXPECT_EQ(names.contains(begin + "2097152/order:" + order), *order != '1')
                << "2 MiB have room for order 9, not for 10";
        }
    }
}

TEST(Plan, EveryPresetHasEveryPathAndQuestion) {
    constexpr const char* most_extents =
        "resolve/path:get_pfn/size:4294967296/order:0/memory:synthetic/extents:1048576/"
        "sequence:random";

    for (const bench::Preset* preset : presets) {
        const std::vector<Case> plan = bench::make_plan(*preset);
        std::set<testexp_path> paths;

        for (const Case& row : plan)
            paths.insert(row.spec.path);
        EXPECT_EQ(paths.size(), std::size_t{TESTEXP_PATHS}) << preset->name;
        for (const char* name :
             {"resolve/path:get_pfn/size:2097152/order:9/mode:single",
              "resolve/path:get_pfn/size:2097152/order:9/sequence:random",
              "resolve/path:get_pfn_batch/size:2097152/order:9/sequence:strided",
              "resolve/path:get_pfn/size:2097152/order:9/exporter:dynamic",
              "resolve/path:sgt_map/size:2097152/order:9/exporter:cache_sgt",
              "resolve/path:sgt_map/size:2097152/order:9/touch:first",
              "resolve/path:follow_pfnmap_cold/size:2097152/order:9/fault_around:64",
              "resolve/path:get_pfn_stride/size:1099511627776/order:18/memory:synthetic",
              "resolve/path:get_pfn/size:4096/order:0/memory:synthetic/extents:1/sequence:random",
              most_extents})
            EXPECT_NE(find(plan, name), nullptr) << preset->name << " " << name;
    }
}

TEST(Plan, EachBufferIsMadeOnce) {
    for (const bench::Preset* preset : presets) {
        std::vector<bench::Shape> done;
        bench::Shape current;

        for (const Case& row : bench::make_plan(*preset)) {
            if (row.shape == current)
                continue;
            current = row.shape;
            EXPECT_EQ(std::ranges::find(done, current), done.end())
                << row.name << " makes its buffer again";
            done.push_back(current);
        }
    }
}

TEST(Plan, PresetsGrow) {
    const std::vector<Case> quick = bench::make_plan(bench::quick_preset);
    const std::vector<Case> usual = bench::make_plan(bench::default_preset);
    const std::vector<Case> full = bench::make_plan(bench::full_preset);

    EXPECT_LT(quick.size(), usual.size());
    EXPECT_LT(usual.size(), full.size());
    for (const Case& row : quick)
        EXPECT_NE(find(usual, row.name), nullptr) << row.name;
    for (const Case& row : usual)
        EXPECT_NE(find(full, row.name), nullptr) << row.name;
    EXPECT_EQ(bench::find_preset("quick"), &bench::quick_preset);
    EXPECT_EQ(bench::find_preset("slow"), nullptr);
}

/* What the ABI refuses would be a failed case in every run. */
TEST(Plan, TheModuleTakesEveryCase) {
    for (const Case& row : bench::make_plan(bench::full_preset)) {
        const testexp::MeasureSpec& spec = row.spec;

        EXPECT_TRUE(spec.ops_per_batch >= 1 && spec.ops_per_batch <= TESTEXP_MAX_OPS_PER_BATCH)
            << row.name;
        EXPECT_TRUE(spec.batches >= 1 && spec.nr_pages == row.shape.nr_pages()) << row.name;
        EXPECT_LE(row.shape.nr_extents(), 1048576U) << row.name;
        if (spec.path == TESTEXP_PATH_FOLLOW_PFNMAP_COLD) {
            EXPECT_LE(spec.ops_per_batch, spec.nr_pages) << row.name;
        }
        if (spec.sequence == TESTEXP_SEQUENCE_RANDOM) {
            EXPECT_EQ(spec.nr_pages & (spec.nr_pages - 1), 0U) << row.name;
        }
    }
}

TEST(Plan, BatchesOfCallsPassOverTheWholeBuffer) {
    const std::vector<Case> plan = bench::make_plan(bench::default_preset);
    const Case* row = find(plan, "resolve/path:get_pfn/size:1073741824/order:0");

    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->spec.nr_pages, row->shape.nr_pages());
    EXPECT_GE(row->spec.batches * row->spec.ops_per_batch, row->shape.nr_pages());
    EXPECT_TRUE(row->needs_for_icount.empty());
}

TEST(Plan, WholeBufferOperationsAreBoundedAndMarked) {
    const std::vector<Case> plan = bench::make_plan(bench::default_preset);
    const Case* small = find(plan, "resolve/path:sgt_map/size:2097152/order:0");
    const Case* large = find(plan, "resolve/path:sgt_map/size:1073741824/order:0");

    ASSERT_TRUE(small != nullptr && large != nullptr);
    EXPECT_EQ(small->spec.ops_per_batch, 1U);
    EXPECT_EQ(small->spec.batches, 200U);
    EXPECT_TRUE(small->needs_for_icount.empty());
    EXPECT_LT(large->spec.batches, 10U);
    EXPECT_FALSE(large->needs_for_icount.empty());
}

/* The same paths and questions as on the test exporter's simplest buffer. */
TEST(Plan, AnotherExporterHasEveryPathOnce) {
    const auto spec = testexp::parse_foreign("heap:system,8M").value();
    const std::vector<Case> plan = bench::make_foreign_plan(spec);
    std::set<testexp_path> paths;
    std::set<std::string> names;

    for (const Case& row : plan) {
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_NE(row.name.find("/exporter:heap:system/size:8388608"), std::string::npos);
        EXPECT_TRUE(row.spec.nr_pages == 2048 && row.shape.foreign == spec) << row.name;
        paths.insert(row.spec.path);
    }
    /* Without the two baselines that need no buffer. */
    EXPECT_EQ(paths.size(), std::size_t{TESTEXP_PATHS} - 2);
    for (const char* name : {"resolve/path:get_pfn/exporter:heap:system/size:8388608",
                             "resolve/path:exporter_op/exporter:heap:system/size:8388608",
                             "resolve/path:get_pfn/exporter:heap:system/size:8388608/mode:single",
                             "resolve/path:get_pfn_batch/exporter:heap:system/size:8388608/"
                             "sequence:random"})
        EXPECT_TRUE(names.contains(name)) << name;
}

TEST(Plan, BaselinesAreThoseOfEveryPlan) {
    const std::vector<Case> plan = bench::make_plan(bench::quick_preset);
    const std::vector<Case> baselines = bench::make_baselines();

    ASSERT_FALSE(baselines.empty());
    for (const Case& row : baselines) {
        EXPECT_TRUE(row.name.starts_with("baseline/")) << row.name;
        EXPECT_NE(find(plan, row.name), nullptr) << row.name;
    }
}

} // namespace
