// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: what a user writes for a buffer of the kernel's exporters is understood as written, or
 * refused in one line that shows the right form. What this machine lacks is named.
 * It cannot see: whether the kernel makes such a buffer.
 */
#include <cerrno>
#include <system_error>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "child.hpp"
#include "foreign_buffer.hpp"

namespace {

using namespace testexp;

constexpr std::uint64_t MiB = std::uint64_t{1} << 20;

TEST(ForeignBuffer, BytesHaveUnits) {
    EXPECT_EQ(parse_bytes("4096").value(), 4096U);
    EXPECT_EQ(parse_bytes("0x1000").value(), 4096U);
    EXPECT_EQ(parse_bytes("0x10K").value(), 16384U);
    EXPECT_EQ(parse_bytes("64M").value(), 64 * MiB);
    EXPECT_EQ(parse_bytes("2G").value(), 2048 * MiB);
    EXPECT_EQ(parse_bytes("0").value(), 0U);
    for (const char* wrong :
         {"", "M", "0x", "-1", "1.5M", "64MB", " 1", "1 ", "64m", "17179869184G"})
        EXPECT_EQ(parse_bytes(wrong).code(), EINVAL) << "'" << wrong << "'";
}

TEST(ForeignBuffer, EachExporterHasItsForm) {
    const auto udmabuf = std::get<UdmabufSpec>(parse_foreign("udmabuf:64M").value());
    const auto huge = std::get<UdmabufSpec>(parse_foreign("udmabuf:2M,huge").value());
    const auto heap = std::get<HeapSpec>(parse_foreign("heap:default_cma_region,64K").value());
    const auto vfio =
        std::get<VfioSpec>(parse_foreign("vfio:0000:00:10.0,2,0+4K,0x4000+1M").value());

    EXPECT_TRUE(udmabuf.size_bytes == 64 * MiB && !udmabuf.huge);
    EXPECT_TRUE(huge.size_bytes == 2 * MiB && huge.huge);
    EXPECT_EQ(heap.heap, "default_cma_region");
    EXPECT_EQ(heap.size_bytes, 65536U);
    EXPECT_EQ(vfio.device, "0000:00:10.0");
    EXPECT_EQ(vfio.region, 2U);
    ASSERT_EQ(vfio.ranges.size(), 2U);
    EXPECT_EQ(vfio.ranges[1].offset_bytes, 0x4000U);
    EXPECT_EQ(vfio.ranges[1].length_bytes, MiB);
    EXPECT_EQ(vfio.size_bytes(), MiB + 4096);
}

TEST(ForeignBuffer, ARangeCanBeThereManyTimes) {
    const auto vfio = parse_vfio("0000:00:11.0,2,1M+4K,4K+8K*300/16K,0+4K").value();

    ASSERT_EQ(vfio.ranges.size(), 302U);
    EXPECT_EQ(vfio.ranges[1], (VfioRange{4096, 8192}));
    EXPECT_EQ(vfio.ranges[2], (VfioRange{4096 + 16384, 8192}));
    EXPECT_EQ(vfio.ranges[300], (VfioRange{4096 + 299 * 16384, 8192}));
    EXPECT_EQ(vfio.ranges[301], (VfioRange{0, 4096}));
}

TEST(ForeignBuffer, APageOfVfioHasItsPlaceInTheRegion) {
    const auto vfio = parse_vfio("0000:00:11.0,2,0x4000+8K,0+4K,0x5000+4K").value();

    EXPECT_EQ(vfio.offset_of(0), 0x4000U);
    EXPECT_EQ(vfio.offset_of(1), 0x5000U);
    EXPECT_EQ(vfio.offset_of(2), 0U);
    EXPECT_EQ(vfio.offset_of(3), 0x5000U) << "ranges may overlap";
    EXPECT_EQ(vfio.offset_of(4), std::nullopt);
    EXPECT_EQ(vfio.offset_of(~std::uint64_t{0}), std::nullopt);
}

TEST(ForeignBuffer, TheNameOfTheExporterLeavesOutTheSize) {
    EXPECT_EQ(exporter_of(parse_foreign("udmabuf:64M").value()), "udmabuf");
    EXPECT_EQ(exporter_of(parse_foreign("udmabuf:64M,huge").value()), "udmabuf,huge");
    EXPECT_EQ(exporter_of(parse_foreign("heap:system,64M").value()), "heap:system");
    EXPECT_EQ(exporter_of(parse_foreign("vfio:0000:00:10.0,2,0+4K").value()),
              "vfio:0000:00:10.0,2");
    EXPECT_EQ(exporter_of(parse_foreign("drm:vgem,2M").value()), "drm:vgem");
    EXPECT_EQ(exporter_of(parse_foreign("from:2M, ./a:b,c/x.py -v /dev/x").value()), "from:x.py");
    EXPECT_EQ(exporter_of(parse_foreign("from:2M,a:b(c)").value()), "from:a_b_c_");
    EXPECT_EQ(exporter_of(parse_foreign("from:2M,dir/").value()), "from:command");
    EXPECT_EQ(size_bytes_of(parse_foreign("heap:system,64M").value()), 64 * MiB);
    EXPECT_EQ(size_bytes_of(parse_foreign("drm:vgem,2M").value()), 2 * MiB);
    EXPECT_EQ(size_bytes_of(parse_foreign("from:2M,true").value()), 2 * MiB);
}

TEST(ForeignBuffer, AWrongFormIsRefusedInOneLine) {
    for (const char* wrong : {"",
                              "udmabuf",
                              "udmabuf:",
                              "udmabuf:0",
                              "udmabuf:1000",
                              "udmabuf:64M,large",
                              "udmabuf:64K,huge",
                              "udmabuf:64M,huge,",
                              "heap:64M",
                              "heap:,64M",
                              "heap:../x,64M",
                              "heap:system,64M,",
                              "vfio:",
                              "vfio:0000:00:10.0",
                              "vfio:0000:00:10.0,0",
                              "vfio:0000:00:10.0,9,0+4K",
                              "vfio:0000:00:10.0,x,0+4K",
                              "vfio:0000:00:10.0,0,4K",
                              "vfio:0000:00:10.0,0,0+0",
                              "vfio:0000:00:10.0,0,100+4K",
                              "vfio:0000:00:10.0,0,0+4K,",
                              "vfio:0000:00:10.0,6,0+4K",
                              "vfio:0000:00:10.0,0,4K+0x800",
                              "vfio:0000:00:10.0,0,0xfffffffffffff000+4K",
                              "vfio:0000:00:10.0,0,0+0xfffffffffffff000,0+4K",
                              "vfio:0000:00:10.0,0,0+4K*2",
                              "vfio:0000:00:10.0,0,0+4K*0/8K",
                              "vfio:0000:00:10.0,0,0+4K*2/100",
                              "vfio:0000:00:10.0,0,0+4K*1000000/4K",
                              "vfio:0000:00:10.0,0,0xffffffffffff0000+4K*32/4K",
                              "vfio:../x,0,0+4K",
                              "drm:",
                              "drm:vgem",
                              "drm:vgem,100",
                              "from:",
                              "from:64M",
                              "from:64M,",
                              "from:64M, ",
                              "from:100,true",
                              "from:true,64M",
                              "gpu:64M"}) {
        const auto parsed = parse_foreign(wrong);

        ASSERT_EQ(parsed.code(), EINVAL) << "'" << wrong << "'";
        EXPECT_NE(parsed.error().what.find(" is not "), std::string::npos) << parsed.error().what;
        EXPECT_EQ(parsed.error().what.find('\n'), std::string::npos) << wrong;
    }
}

/* A memfd stands for the dma-buf: the size is all that is looked at. */
TEST(ForeignBuffer, ACommandSendsTheSizeThatIsAsked) {
    const std::string command =
        "python3 -c 'import os, socket; fd = os.memfd_create(\"x\"); os.ftruncate(fd, 8192); "
        "socket.send_fds(socket.socket(fileno=3), [b\".\"], [fd])'";
    const auto made = make_foreign(FromSpec{8192, command});
    const auto other = make_foreign(FromSpec{4096, command});
    const auto none = make_foreign(FromSpec{4096, "exit 3"});

    ASSERT_TRUE(made) << made.error().what;
    EXPECT_EQ(made.value().nr_pages, 8192 / page_bytes());
    EXPECT_TRUE(made.value().fd);
    EXPECT_EQ(other.code(), EINVAL);
    EXPECT_NE(other.error().what.find("has sent 8192 bytes, and not 4096"), std::string::npos);
    EXPECT_FALSE(none);
}

TEST(ForeignBuffer, WhatIsNotThereIsNamed) {
    const auto heap = make_heap({"no_such_heap", 4096});
    const auto vfio = make_vfio({"ffff:ff:1f.7", 0, {{0, 4096}}});

    ASSERT_EQ(heap.code(), EOPNOTSUPP);
    EXPECT_NE(heap.error().what.find("/dev/dma_heap/no_such_heap"), std::string::npos);
    ASSERT_EQ(vfio.code(), EOPNOTSUPP);
    EXPECT_NE(vfio.error().what.find("ffff:ff:1f.7"), std::string::npos);
}

/* A process without room for a descriptor has no lack of huge pages. */
TEST(ForeignBuffer, AFailureThatIsNoLackIsPassedOn) {
    Child child([] {
        const rlimit none{0, 0};

        /* The sanitizer opens a pipe when it first sees an object of a class. */
        (void)std::generic_category().message(EMFILE);
        if (setrlimit(RLIMIT_NOFILE, &none) < 0)
            return -1;
        return make_udmabuf_memory({2 * MiB, true}).code();
    });

    EXPECT_EQ(exit_status_of(child.wait()), EMFILE);
}

} // namespace
