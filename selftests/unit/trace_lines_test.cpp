// SPDX-License-Identifier: GPL-2.0
/* Claim: a trace that lacks something is never taken for a whole one. */
#include <gtest/gtest.h>

#include <fstream>

#include "not_judged.hpp"
#include "scratch.hpp"
#include "trace_lines.hpp"

namespace testexp {
namespace {

const std::string head = "# tracer: nop\n#\n";
const std::string entry = "  test-7  [000] .....  12.345678: iommu_map_7: domain=0x1\n";

class TraceLines : public testing::Test {
protected:
    std::string with(const std::string& text) const {
        std::ofstream(path_) << text;
        return path_;
    }

private:
    Scratch scratch_;
    std::string path_ = scratch_.path / "trace";
};

TEST_F(TraceLines, OfAWholeBuffer) {
    const auto lines =
        trace_lines(with(head + "# entries-in-buffer/entries-written: 1/1   #P:2\n#\n" + entry));

    ASSERT_EQ(lines.size(), 5U);
    EXPECT_EQ(lines.back() + "\n", entry);
}

TEST_F(TraceLines, OfAnEmptyBuffer) {
    EXPECT_EQ(trace_lines(with(head + "# entries-in-buffer/entries-written: 0/0   #P:2\n")).size(),
              3U);
}

TEST_F(TraceLines, AreNotJudgedUnlessTheHeaderSaysSo) {
    for (const char* line :
         {"# entries-in-buffer/entries-written: 1/2   #P:2\n",
          "# entries-in-buffer/entries-written: 1\n", "# entries-in-buffer/entries-written: /\n",
          "# entries-in-buffer/entries-written: 1/\n",
          " test-7 entries-in-buffer/entries-written: 1/1\n", "", "\n"})
        EXPECT_THROW((void)trace_lines(with(head + line + entry)), NotJudged) << line;
    EXPECT_THROW((void)trace_lines("/nonexistent"), NotJudged);
}

TEST_F(TraceLines, MissesOfAKprobe) {
    const std::string path = with("  iommu_map_70          9      8\n"
                                  "  iommu_map_7          12      3\n"
                                  "  iommu_map_71\n");

    EXPECT_EQ(missed_by_kprobe(path, "iommu_map_7"), 3U);
    for (const char* event : {"iommu_map", "iommu_map_71", ""})
        EXPECT_THROW((void)missed_by_kprobe(path, event), NotJudged) << event;
}

TEST(NotJudgedText, BeginsAsTheJudgeExpects) {
    EXPECT_STREQ(NotJudged("lines were lost").what(), "not judged: lines were lost");
}

} // namespace
} // namespace testexp
