// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the cache attribute that an importer learns of a page is that of the page protection with
 * which the exporter's mmap maps the page (P14). No two buffers have a page of the BAR in two cache
 * modes.
 *
 * Method: DESCRIBE is compared with the bits of the page table, read by follow_pfnmap_start()
 * (WALK): for RAM, and for MMIO that is uncached, write-combined, or both in one buffer, whichever
 * page is touched first. Both are also compared with the mode that the test asked for. CREATE of a
 * page that another buffer has in another mode must fail with EBUSY.
 *
 * Does not see: what the hardware makes of the bits, and MTRRs.
 */
#include <cerrno>
#include <vector>

#include "fixture.hpp"
#include "kernel_lookup.hpp"

using namespace testexp;

namespace {

constexpr Kind write_combined{.cache = TESTEXP_CACHE_WC};
constexpr const char* names[TESTEXP_CACHE_MODES] = {"WB", "UC", "WC"};

struct Named {
    const char* name;
    Layout layout;
};

std::vector<Named> layouts() {
    return {
        {"ram", Layout{}.ram(100)},
        {"mmio_uncached", Layout{}.mmio(0, 100)},
        {"mmio_write_combined", Layout{}.mmio(0, 100, write_combined)},
        {"mmio_of_both", Layout{}.mmio(0, 50).mmio(50, 50, write_combined).mmio(100, 3)},
        {"ram_and_mmio", Layout{}.ram(7).mmio(0, 5).ram(1).mmio(5, 9, write_combined).ram(3)},
    };
}

bool has_mmio(const Layout& layout) {
    return attach_flags_for(layout) != 0;
}

/* The cache mode of each page as the layout asks for it. */
std::vector<std::uint32_t> modes_of(const Layout& layout) {
    std::vector<std::uint32_t> modes;

    for (const testexp_extent& extent : layout.extents)
        modes.insert(modes.end(), extent.nr_pages, extent.cache);
    return modes;
}

/* @last_first: the last page is faulted in before the others. */
void described_as_mapped(const Layout& layout, bool last_first) {
    REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");
    if (has_mmio(layout)) {
        (void)mmio_bar();
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
                "a stock kernel has no importer for MMIO that does not map it");
    }

    const Buffer buffer = device().create({.layout = layout}).value();
    const Importer importer = device().attach(buffer.fd.get(), attach_flags_for(layout)).value();
    const Mapping mapping = Mapping::map(buffer.fd.get(), buffer.nr_pages).value();
    const std::vector<std::uint32_t> modes = modes_of(layout);
    const std::vector<testexp_result> answers = importer.resolve(0, buffer.nr_pages).value();

    if (last_first)
        (void)device()
            .walk(mapping.bytes().data() + (buffer.nr_pages - 1) * page_bytes(), 1,
                  TESTEXP_WALK_FAULT_IN)
            .value();

    const std::vector<testexp_walked> walked =
        device().walk(mapping.bytes().data(), buffer.nr_pages, TESTEXP_WALK_FAULT_IN).value();

    for (std::uint64_t pgoff = 0; pgoff < buffer.nr_pages; pgoff++) {
        const std::string where = " of page " + std::to_string(pgoff);
        const std::uint32_t described = importer.describe(pgoff).value().cache;

        ksft::expect_eq(walked[pgoff].error, 0, "WALK" + where);
        ksft::expect_eq(std::string(names[walked[pgoff].cache]), names[described],
                        "page table" + where);
        ksft::expect_eq(std::string(names[described]), names[modes[pgoff]], "DESCRIBE" + where);
        ksft::expect_eq(walked[pgoff].pfn, answers[pgoff].pfn, "PFN" + where);
    }
}

/* A page cannot have two modes at once, whichever of them came first. */
void one_mode_of_a_page(testexp_cache first, testexp_cache second) {
    (void)mmio_bar();

    const auto code_of = [](std::uint64_t at, std::uint64_t nr_pages, testexp_cache cache) {
        return device().create({.layout = Layout{}.mmio(at, nr_pages, {.cache = cache})}).code();
    };

    {
        const Buffer buffer =
            device().create({.layout = Layout{}.mmio(4, 4, {.cache = first})}).value();

        ksft::expect_eq(code_of(4, 4, second), EBUSY, "all pages");
        ksft::expect_eq(code_of(0, 5, second), EBUSY, "the first page");
        ksft::expect_eq(code_of(7, 1, second), EBUSY, "the last page");
        ksft::expect_eq(code_of(0, 4, second), 0, "pages before");
        ksft::expect_eq(code_of(8, 4, second), 0, "pages behind");
        ksft::expect_eq(code_of(0, 12, first), 0, "all pages and more, in the same mode");
    }
    ksft::expect_eq(code_of(4, 4, second), 0, "all pages, when no buffer has them");
    ksft::expect_eq(
        device()
            .create({.layout = Layout{}.mmio(0, 2, {.cache = first}).mmio(1, 2, {.cache = second})})
            .code(),
        EBUSY, "two extents of one buffer");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    plan.add("P14.one_mode_of_a_page[first=UC]",
             [] { one_mode_of_a_page(TESTEXP_CACHE_UC, TESTEXP_CACHE_WC); });
    plan.add("P14.one_mode_of_a_page[first=WC]",
             [] { one_mode_of_a_page(TESTEXP_CACHE_WC, TESTEXP_CACHE_UC); });
    for (const Named& named : layouts())
        for (const bool last_first : {false, true})
            plan.add(std::string("P14.described_as_mapped[layout=") + named.name +
                         ",touched_first=" + (last_first ? "last" : "first") + "]",
                     [=] { described_as_mapped(named.layout, last_first); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
