// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the entries of an Intel IOMMU's page table are read from debugfs as the kernel prints
 * them. Method: text that Linux 7.3.4 printed for QEMU's Intel IOMMU, and text that differs from
 * it. It cannot see: what other kernels print, and tables for first-stage translation.
 */
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "iommu_table.hpp"
#include "scratch.hpp"

namespace {

using namespace testexp;

/* clang-format off: the lines are as the kernel prints them */
constexpr const char* printed_by_linux =
    "Device 0000:00:10.0 @0x10117d000\n"
    "IOVA_PFN         \tPML5E             \tPML4E             \tPDPE              \tPDE            "
    "   \tPTE\n"
    "0x0000000040000 |\t0x0000000000000000\t0x0000000000000000\t0x0000000200000082\n"
    "0x0000000080000 "
    "|\t0x0000000000000000\t0x0000000000000000\t0x00000001011a3403\t0x0000000240000082\n"
    "0x0000000080200 "
    "|\t0x0000000000000000\t0x0000000000000000\t0x00000001011a3403\t0x00000001011a4403\t0x000000024"
    "0200002\n"
    "0x0000000080201 "
    "|\t0x0000000000000000\t0x0000000000000000\t0x00000001011a3403\t0x00000001011a4403\t0x000000024"
    "0201002\n"
    "0x00000007fffff "
    "|\t0x0000000000000000\t0x0000000000000000\t0x00000001003a7403\t0x000000010118f403\t0x00000000f"
    "ea00003\n"
    "0x0000000800000 "
    "|\t0x0000000000000000\t0x0000000000000000\t0x000000010118e403\t0x000000010118b403\t0x00000000f"
    "ea01003\n"
    "0x0000000800002 "
    "|\t0x0000000000000000\t0x0000000000000000\t0x000000010118e403\t0x000000010118b403\t0x00000000f"
    "ea03001\n";
/* clang-format on */

TEST(IommuTable, IsReadAsTheKernelPrintsIt) {
    const auto leaves = parse_iommu_table(printed_by_linux).value();
    const std::vector<IommuLeaf> expected = {
        {.iova = 0x4000'0000, .pfn = 0x20'0000, .order = 18, .writeable = true},
        {.iova = 0x8000'0000, .pfn = 0x24'0000, .order = 9, .writeable = true},
        {.iova = 0x8020'0000, .pfn = 0x24'0200, .order = 0, .writeable = true},
        {.iova = 0x8020'1000, .pfn = 0x24'0201, .order = 0, .writeable = true},
        {.iova = 0x7'ffff'f000, .pfn = 0xf'ea00, .order = 0, .readable = true, .writeable = true},
        {.iova = 0x8'0000'0000, .pfn = 0xf'ea01, .order = 0, .readable = true, .writeable = true},
        {.iova = 0x8'0000'2000, .pfn = 0xf'ea03, .order = 0, .readable = true},
    };

    EXPECT_EQ(leaves, expected);
    EXPECT_EQ(leaves[0].end(), 0x8000'0000U);
    EXPECT_EQ(leaves[1].bytes(), 0x20'0000U);
    EXPECT_EQ(describe(leaves[1]), "0x80000000: PFN 0x240000, order 9, w");
}

/* A domain that forces DMA to be coherent has bit 11 set in each entry. */
TEST(IommuTable, ShowsWhetherDmaIsSnooped) {
    const auto leaves = parse_iommu_table("0x0000000000001 |\t0x0\t0x1403\t0x2403\t0x3403\t"
                                          "0x0000000123456803\n")
                            .value();

    ASSERT_EQ(leaves.size(), 1U);
    EXPECT_EQ(leaves[0].pfn, 0x12'3456U);
    EXPECT_TRUE(leaves[0].snooped);
}

TEST(IommuTable, MayBeEmpty) {
    EXPECT_TRUE(parse_iommu_table("").value().empty());
    EXPECT_TRUE(parse_iommu_table("Device 0000:00:10.0 @0x1012ae000\n").value().empty());
}

TEST(IommuTable, RefusesLinesThatItDoesNotKnow) {
    for (const char* line : {"DMA Remapping is not enabled on dmar0\n", "0x1\n", "0x1 |\n",
                             "0x1 |\t0x0\t0x1403\n", "1 |\t0x0\t0x1403\t0x82\n",
                             "0x1 |\t0x0\t0x1403\t0xg2\n", "0x1 |\t0x0\t0x0\t0x3\t0x3\t0x3\t0x3\n"})
        EXPECT_EQ(parse_iommu_table(line).code(), EPROTO) << line;
}

TEST(IommuTable, SaysWhatIsMissing) {
    const Scratch scratch;
    const auto table = read_iommu_table("0000:00:10.0", scratch.path);

    EXPECT_EQ(table.code(), EOPNOTSUPP);
    EXPECT_NE(table.error().what.find("CONFIG_INTEL_IOMMU_DEBUGFS"), std::string::npos);
}

TEST(IommuTable, IsReadFromDebugfs) {
    const Scratch scratch;
    const auto directory = scratch.path / "iommu/intel/0000:00:10.0";

    std::filesystem::create_directories(directory);
    std::ofstream(directory / "domain_translation_struct") << printed_by_linux;
    EXPECT_EQ(read_iommu_table("0000:00:10.0", scratch.path).value().size(), 7U);
}

} // namespace
