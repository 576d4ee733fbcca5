// SPDX-License-Identifier: GPL-2.0
/* All parts of a report write numbers in the same way. */
#include <gtest/gtest.h>

#include "format.hpp"

namespace {

TEST(Format, Numbers) {
    EXPECT_EQ(report::show_number(0), "0");
    EXPECT_EQ(report::show_number(51.25), "51.25");
    EXPECT_EQ(report::show_number(-49.08), "-49.08");
    EXPECT_EQ(report::show_number(512), "512");
    EXPECT_EQ(report::show_number(999.999), "1,000");
    EXPECT_EQ(report::show_number(1000), "1,000");
    EXPECT_EQ(report::show_number(-123456), "-123,456");
    EXPECT_EQ(report::show_number(106281042.4), "106,281,042");
    EXPECT_EQ(report::show_number(std::nullopt), "–");
}

TEST(Format, Ratios) {
    EXPECT_EQ(report::show_ratio(207.43, 51.25), "4.05×");
    EXPECT_EQ(report::show_ratio(113137, 51.25), "2,208×");
    EXPECT_EQ(report::show_ratio(1, 0), "–") << "no baseline, no ratio";
}

TEST(Format, Bytes) {
    EXPECT_EQ(report::show_bytes(2097152), "2 MiB");
    EXPECT_EQ(report::show_bytes(1073741824), "1 GiB");
    EXPECT_EQ(report::show_bytes(1536), "1536 B");
}

} // namespace
