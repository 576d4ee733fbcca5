// SPDX-License-Identifier: GPL-2.0
/* The plan of the import benchmark has each case of a buffer, and the buffers one by one. */
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "import_plan.hpp"
#include "program.hpp"

namespace {

using bench::ImportCase;
using bench::ImportOp;

const std::vector<std::string> exporters = {bench::test_exporter, "udmabuf:2M,huge",
                                            "vfio:0000:00:11.0,2,0+1G"};

const ImportCase* find(const std::vector<ImportCase>& plan, const std::string& name) {
    const auto found = std::ranges::find(plan, name, &ImportCase::name);

    return found == plan.end() ? nullptr : &*found;
}

TEST(ImportPlan, NamesAreThoseOfTheSchemaAndUnique) {
    const auto plan = bench::make_import_plan(exporters);
    std::set<std::string> names;

    for (const ImportCase& row : plan)
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
    for (const char* name :
         {"import/op:map/buffer:memfd/bytes:2097152",
          "import/op:unmap/buffer:udmabuf,huge/bytes:2097152",
          "import/op:map/buffer:testexp/bytes:16777216/runs:256/domain:none",
          "import/op:map/buffer:vfio:0000:00:11.0,2/bytes:1073741824",
          "import/op:unmap/buffer:vfio:0000:00:11.0,2/bytes:1073741824/by:type1"})
        EXPECT_TRUE(names.contains(name)) << name;
}

TEST(ImportPlan, OnlyTheNameSaysWhetherThereIsADomain) {
    for (const ImportCase& row : bench::make_import_plan(exporters)) {
        EXPECT_EQ(row.op == ImportOp::map_alone, row.name.ends_with("/domain:none")) << row.name;
        EXPECT_EQ(row.op == ImportOp::unmap, row.name.starts_with("import/op:unmap/")) << row.name;
        EXPECT_EQ(row.op == ImportOp::map_first, row.name.ends_with("/touch:first")) << row.name;
        EXPECT_EQ(row.op == ImportOp::copy_last, row.name.starts_with("import/op:copy_last/"))
            << row.name;
    }
}

TEST(ImportPlan, EachBufferIsMadeOnce) {
    std::vector<bench::ImportBuffer> buffers;

    for (const ImportCase& row : bench::make_import_plan(exporters))
        if (buffers.empty() || buffers.back() != row.buffer)
            buffers.push_back(row.buffer);
    /* two memfds, four numbers of runs, the two other exporters, and a mapping of the BAR */
    EXPECT_EQ(buffers.size(), 9u);
}

/* What type1 maps of these exporters, as the names of the cases say. */
std::set<std::string> type1_cases(const std::string& exporter) {
    std::set<std::string> names;

    for (const ImportCase& row : bench::make_import_plan({exporter}))
        if (const std::size_t at = row.name.find("/by:type1"); at != std::string::npos) {
            EXPECT_TRUE(std::holds_alternative<bench::Type1Spec>(row.buffer)) << row.name;
            names.insert(row.name.substr(0, row.name.find("/buffer:")) + row.name.substr(at));
        }
    return names;
}

TEST(ImportPlan, Type1MapsABarOfOneRange) {
    const std::set<std::string> aligned = {"import/op:map/by:type1", "import/op:unmap/by:type1",
                                           "import/op:map/by:type1/touch:first"};
    std::set<std::string> both = aligned;

    both.insert(
        {"import/op:map/by:type1/aligned:no", "import/op:map/by:type1/aligned:no/touch:first"});
    EXPECT_EQ(type1_cases("vfio:0000:00:11.0,2,0+1G"), aligned);
    EXPECT_EQ(type1_cases("vfio:0000:00:11.0,2,0+2M"), both);
    EXPECT_EQ(type1_cases("vfio:0000:00:11.0,2,0+2M,4M+2M"), std::set<std::string>{});
    EXPECT_EQ(type1_cases("udmabuf:2M"), std::set<std::string>{});
}

TEST(ImportPlan, OnlyTheCopyOfThePageDoesNotCoverTheBuffer) {
    for (const ImportCase& row : bench::make_import_plan({bench::test_exporter})) {
        const std::uint64_t all = bench::size_bytes_of(row.buffer) / testexp::page_bytes();

        EXPECT_EQ(bench::pages_of(row.buffer, row.op), row.op == ImportOp::copy_last ? 1 : all)
            << row.name;
    }
}

/* The longer the list, the longer the lookup of the last page may take. */
TEST(ImportPlan, EachNumberOfRunsHasACopyOfTheLastPage) {
    const auto plan = bench::make_import_plan({bench::test_exporter});

    for (const int runs : {1, 16, 256, 4096})
        EXPECT_NE(find(plan, "import/op:copy_last/buffer:testexp/bytes:16777216/runs:" +
                                 std::to_string(runs)),
                  nullptr)
            << runs;
}

TEST(ImportPlan, AllRunsHaveOneSizeOfBuffer) {
    for (const std::uint64_t runs : {1, 16, 256, 4096}) {
        const auto plan = bench::make_import_plan({bench::test_exporter});
        const ImportCase* const row =
            find(plan, "import/op:map/buffer:testexp/bytes:16777216/runs:" + std::to_string(runs));

        ASSERT_NE(row, nullptr) << runs;
        EXPECT_EQ(std::get<bench::RunsSpec>(row->buffer).nr_runs, runs);
        EXPECT_EQ(bench::size_bytes_of(row->buffer), std::uint64_t{1} << 24);
    }
}

} // namespace
