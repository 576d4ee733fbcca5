// SPDX-License-Identifier: GPL-2.0
#include "kallsyms.hpp"

#include <gtest/gtest.h>

#include <array>
#include <sstream>

using latency::Kallsyms;

namespace {

Kallsyms sample() {
    std::istringstream text("ffffffff81000300 T dma_buf_poll\n"
                            "ffffffff81000100 t ww_mutex_lock\n"
                            "0000000000000000 T hidden\n"
                            "ffffffff81000400 D some_data\n"
                            "ffffffff81000500 T do_syscall_64\n"
                            "ffffffffc0001000 t exporter_revoke\t[dmabuf_testexp]\n"
                            "ffffffff81800000 d udmabuf_ops\n"
                            "ffffffff81800100 r system_heap_buf_ops\n"
                            "ffffffff81800200 d anon_pipe_buf_ops\n"
                            "ffffffffc0001100 t attach\t[one]\n"
                            "ffffffffc0001200 t attach\t[other]\n"
                            "ffffffffc0001300 r i915_dmabuf_ops\t[i915]\n"
                            "ffffffffc0001400 t fake_dmabuf_ops\t[one]\n"
                            "ffffffffc0002000 t bpf_prog_0123_lock_fexit\t[bpf]\n");
    return Kallsyms(text);
}

} // namespace

TEST(Kallsyms, KnowsWhichFunctionsThereAre) {
    const Kallsyms kallsyms = sample();

    EXPECT_TRUE(kallsyms.has("dma_buf_poll"));
    EXPECT_TRUE(kallsyms.has("attach"));
    EXPECT_FALSE(kallsyms.has("dma_buf_pol"));
    EXPECT_FALSE(kallsyms.has("some_data")) << "data is no function";
}

TEST(Kallsyms, NamesTheFunctionThatAnAddressIsIn) {
    const Kallsyms kallsyms = sample();

    EXPECT_EQ(kallsyms.name(0xffffffff81000100), "ww_mutex_lock");
    EXPECT_EQ(kallsyms.name(0xffffffff810002ff), "ww_mutex_lock");
    EXPECT_EQ(kallsyms.name(0xffffffff81000450), "dma_buf_poll");
    EXPECT_EQ(kallsyms.name(0xffffffffc0001080), "exporter_revoke");
}

TEST(Kallsyms, AFunctionBeginsAtOneAddressOnly) {
    EXPECT_EQ(sample().function_at(0xffffffffc0001000), "exporter_revoke");
    EXPECT_EQ(sample().function_at(0xffffffffc0001008), std::nullopt);
    EXPECT_EQ(sample().function_at(0x1234), std::nullopt);
}

TEST(Kallsyms, TwoFunctionsMayHaveOneName) {
    EXPECT_TRUE(sample().is_unique("exporter_revoke"));
    EXPECT_FALSE(sample().is_unique("attach"));
    EXPECT_FALSE(sample().is_unique("nothing"));
}

/* The table of a pipe does not belong to an exporter, nor does a symbol that is not data. */
TEST(Kallsyms, FindsTheTablesOfExporters) {
    const Kallsyms kallsyms = sample();
    const std::vector<std::uint64_t> tables(kallsyms.ops_tables().begin(),
                                            kallsyms.ops_tables().end());

    EXPECT_EQ(tables, (std::vector<std::uint64_t>{0xffffffff81800000, 0xffffffff81800100,
                                                  0xffffffffc0001300}));
}

TEST(Kallsyms, AnAddressBelowAllIsANumber) {
    EXPECT_EQ(sample().name(0x1234), "0x1234");
}

TEST(Kallsyms, AStackBeginsAtTheCallerAndEndsAtTheSystemCall) {
    const std::array<std::uint64_t, 6> addresses = {0xffffffffc0002010, 0xffffffff81000110,
                                                    0xffffffff81000310, 0xffffffffc0001010,
                                                    0xffffffff81000510, 0};

    EXPECT_EQ(sample().stack(addresses, 9), "dma_buf_poll<exporter_revoke");
    EXPECT_EQ(sample().stack(addresses, 1), "dma_buf_poll");
}

/* The address may be the first address after a call that does not return. */
TEST(Kallsyms, AReturnAddressBelongsToTheCaller) {
    const std::array<std::uint64_t, 1> addresses = {0xffffffff81000500};

    EXPECT_EQ(sample().stack(addresses, 9), "dma_buf_poll");
}

TEST(Kallsyms, AnEmptyStackIsUnknown) {
    EXPECT_EQ(sample().stack(std::array<std::uint64_t, 2>{}, 9), "unknown");
}
