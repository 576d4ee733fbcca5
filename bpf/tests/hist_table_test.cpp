// SPDX-License-Identifier: GPL-2.0
#include "hist_table.h"

#include <gtest/gtest.h>

#include <array>

/* The BPF programs look a bucket up in a table. All other code computes the bucket. */
TEST(HistTable, IsRightForAllSmallValuesAndAtAllEdges) {
    std::array<__u16, HIST_TABLE_SIZE> table{};
    const auto expect_same = [&table](std::uint64_t value) {
        ASSERT_EQ(hist_table_index(table.data(), value), testexp_hist_index(value)) << value;
    };

    hist_table_fill(table.data());
    for (std::uint64_t value = 0; value < 300000; value++)
        expect_same(value);
    for (std::uint32_t index = 0; index < TESTEXP_HIST_BUCKETS; index++) {
        expect_same(testexp_hist_lower(index));
        expect_same(testexp_hist_upper(index));
    }
}
