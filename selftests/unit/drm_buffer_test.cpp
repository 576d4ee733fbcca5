// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: what a user writes for a buffer of a DRM driver is understood as written, or refused in
 * one line. A card that is not there is named. It cannot see: whether a driver makes a buffer.
 */
#include "drm_buffer.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "scratch.hpp"

namespace {

using namespace testexp;

TEST(DrmBuffer, ACardAndASize) {
    const auto number = parse_drm("0,2M").value();
    const auto driver = parse_drm("vgem,0x1000").value();

    EXPECT_EQ(number.card, "0");
    EXPECT_EQ(number.bytes, std::uint64_t{2} << 20);
    EXPECT_EQ(driver.card, "vgem");
    EXPECT_EQ(driver.bytes, 4096U);
}

TEST(DrmBuffer, AWrongFormIsRefusedInOneLine) {
    for (const char* wrong : {"", "0", "0,", ",2M", "0,0", "0,1000", "0,4G", "0,2M,", "../x,2M"}) {
        const auto parsed = parse_drm(wrong);

        ASSERT_EQ(parsed.code(), EINVAL) << "'" << wrong << "'";
        EXPECT_NE(parsed.error().what.find(" is not CARD,SIZE"), std::string::npos);
    }
}

TEST(DrmBuffer, WhatIsNotThereIsNamed) {
    const Scratch dri;

    EXPECT_EQ(make_drm_buffer({"7", 4096}, dri.path).code(), EOPNOTSUPP);
    std::ofstream(dri.path / "card7"); /* a file that is no card */
    EXPECT_EQ(make_drm_buffer({"7", 4096}, dri.path).code(), ENOTTY);

    const auto vgem = make_drm_buffer({"vgem", 4096}, dri.path);

    ASSERT_EQ(vgem.code(), EOPNOTSUPP);
    EXPECT_NE(vgem.error().what.find("say modprobe vgem"), std::string::npos);
}

} // namespace
