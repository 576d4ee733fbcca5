// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: an importer can learn what a page is, and whether peer devices may reach it, before it
 * resolves or maps anything (P13). Attaching to a buffer with pages of another device fails for an
 * importer without allow_peer2peer, because this importer cannot reach these pages.
 *
 * Method: a table of each kind of buffer with each kind of importer. DESCRIBE of every page is
 * compared with the layout, while the exporter's counts show that nobody has asked for a PFN or a
 * mapping yet.
 *
 * Does not see: real transfers from device to device.
 */
#include <cerrno>
#include <vector>

#include "fixture.hpp"
#include "kernel_lookup.hpp"

using namespace testexp;

namespace {

constexpr Kind for_peers{.cache = TESTEXP_CACHE_WB, .attributes = TESTEXP_EXTENT_P2P};

struct Named {
    const char* name;
    Layout layout;
    bool needs_p2p;
};

std::vector<Named> buffers() {
    return {
        {"ram", Layout{}.ram(4), false},
        {"hole_and_private", Layout{}.hole(2).priv(2), false},
        {"synthetic", Layout{}.synthetic(64, 4), false},
        {"synthetic_for_peers", Layout{}.synthetic(64, 4, for_peers), true},
        {"last_page_for_peers", Layout{}.ram(3).synthetic(64, 1, for_peers), true},
        {"mmio", Layout{}.mmio(0, 4), true},
        {"one_page_of_mmio", Layout{}.ram(3).mmio(0, 1).hole(2), true},
    };
}

struct ImporterKind {
    const char* name;
    std::uint32_t flags;
    bool allows_p2p;
};

/* With a device, attach would map the buffer for a dynamic importer. */
constexpr std::uint32_t dynamic = TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE;

constexpr ImporterKind importers[] = {
    {"static", 0, false},
    {"no_peer2peer", dynamic | TESTEXP_ATTACH_NO_P2P, false},
    {"peer2peer", dynamic, true},
};

/* Skips a buffer that this machine cannot have. */
Buffer create(const Layout& layout) {
    for (const testexp_extent& extent : layout.extents)
        if (extent.type == TESTEXP_EXTENT_MMIO)
            (void)mmio_bar();
    return device().create({.layout = layout}).value();
}

void attach(const Named& named, const ImporterKind& kind) {
    if (kind.flags & TESTEXP_ATTACH_NO_DEVICE)
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
                "the stock kernel refuses device-less importers");

    const Buffer buffer = create(named.layout);
    const bool refused = named.needs_p2p && !kind.allows_p2p;

    ksft::expect_eq(device().attach(buffer.fd.get(), kind.flags).code(), refused ? EOPNOTSUPP : 0,
                    "ATTACH");
    ksft::expect_eq(device().stats(buffer.fd.get()).value().attaches, refused ? 0 : 1,
                    "attachments that the exporter accepted");
    ksft::expect_eq(device().read_info().value().nr_importers, 0, "importers left");
}

/* The same importer with a device, whatever the core does at attach: the refusal comes first. */
void device_without_peer2peer(const Layout& layout) {
    const Buffer buffer = create(layout);

    ksft::expect_eq(
        device().attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_P2P).code(),
        EOPNOTSUPP, "ATTACH");
    ksft::expect_eq(device().stats(buffer.fd.get()).value().attaches, 0,
                    "attachments that the exporter accepted");
}

/* A refused importer is counted nowhere. */
void refused_by_a_revoked_buffer() {
    const Buffer buffer = create(Layout{}.ram(4));

    ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "REVOKE");
    ksft::expect_eq(device().attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC).code(), ENODEV,
                    "ATTACH");
    ksft::expect_eq(device().stats(buffer.fd.get()).value().attaches, 0, "attaches");
    ksft::expect_eq(device().stats(buffer.fd.get()).value().p2p_attaches, 0, "p2p_attaches");
}

/*
 * Compares DESCRIBE of each page, and the first and last page of the longest run of pages of its
 * kind.
 */
void expect_described(const Importer& importer, const Layout& layout) {
    std::uint64_t first = 0;

    for (const testexp_extent& extent : layout.extents) {
        for (std::uint64_t pgoff = first; pgoff < first + extent.nr_pages; pgoff++) {
            const testexp_describe described = importer.describe(pgoff).value();
            const std::string where = " of page " + std::to_string(pgoff);

            ksft::expect_eq(described.type, extent.type, "type" + where);
            ksft::expect_eq(described.cache, extent.cache, "cache" + where);
            ksft::expect_eq(described.attributes, extent.attributes, "attributes" + where);
            ksft::expect_eq(described.first, first, "first" + where);
            ksft::expect_eq(described.nr_pages, extent.nr_pages, "nr_pages" + where);
        }
        first += extent.nr_pages;
    }
}

void learnt_before_mapping(const Layout& layout) {
    const std::uint32_t flags = attach_flags_for(layout);

    if (flags & TESTEXP_ATTACH_NO_DEVICE)
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
                "a stock kernel has no importer for peers that does not map at attach");

    const Buffer buffer = create(layout);
    const Importer importer = device().attach(buffer.fd.get(), flags).value();

    expect_described(importer, layout);

    const testexp_stats seen = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(seen.get_pfns, 0, "get_pfn calls so far");
    ksft::expect_eq(seen.maps, 0, "maps so far");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    plan.add("P13.refused_by_a_revoked_buffer", refused_by_a_revoked_buffer);
    for (const Named& named : buffers()) {
        const std::string buffer = std::string("[buffer=") + named.name;

        for (const ImporterKind& kind : importers)
            plan.add("P13.attach" + buffer + ",importer=" + kind.name + "]",
                     [=] { attach(named, kind); });
        if (named.needs_p2p)
            plan.add("P13.attach" + buffer + ",importer=no_peer2peer_with_device]",
                     [=] { device_without_peer2peer(named.layout); });
        plan.add("P13.learnt_before_mapping" + buffer + "]",
                 [=] { learnt_before_mapping(named.layout); });
    }
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
