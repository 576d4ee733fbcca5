// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: dma_buf_get_pfn_attrs() tells type and cache mode of each page, however far into the
 * buffer (P13, P14). The core checks the bounds, and the exporter's callback always runs with the
 * reservation lock held (P7).
 *
 * Method: every page of buffers with several kinds of pages is compared with the layout that the
 * test asked for. Each other attribute must be written: no page is encrypted, and none has a
 * provider. Values of pgoff that break arithmetic must be refused. An exporter that returns a type
 * or a cache mode that the kernel does not have is found.
 *
 * Does not see: the other errors (get_pfn_errors); encrypted pages and providers, because the test
 * exporter has neither; the page table (cache_modes).
 */
#include <limits>
#include <utility>
#include <vector>

#include "fixture.hpp"
#include "kernel_lookup.hpp"

using namespace testexp;

namespace {

constexpr Kind uncached{.cache = TESTEXP_CACHE_UC};
constexpr Kind write_back_mmio{.cache = TESTEXP_CACHE_WB, .attributes = TESTEXP_EXTENT_AS_MMIO};
constexpr Kind write_combined{.cache = TESTEXP_CACHE_WC};

void require_attrs() {
    REQUIRE(device().has(TESTEXP_FEAT_PFN_ATTRS), "the kernel has no dma_buf_get_pfn_attrs()");
}

Result<testexp_describe> attrs(const Importer& importer, std::uint64_t pgoff) {
    return importer.describe(pgoff, TESTEXP_DESCRIBE_ATTRS);
}

struct Named {
    const char* name;
    Layout layout;
};

std::vector<Named> layouts() {
    return {
        {"ram", Layout{}.ram(5)},
        {"cache_modes", Layout{}
                            .synthetic(0x1000, 3)
                            .synthetic(0x1003, 2, uncached)
                            .synthetic(0x1005, 600, write_combined)
                            .synthetic(0x2000, 1)},
        {"write_back_mmio",
         Layout{}.synthetic(0x1000, 3).synthetic(0x1003, 2, write_back_mmio).synthetic(0x1005, 3)},
        {"ram_and_mmio", Layout{}.ram(3).mmio(0, 2).ram(1).mmio(2, 5, write_combined).ram(1)},
    };
}

bool has_mmio(const Layout& layout) {
    return attach_flags_for(layout) != 0;
}

void expect_attrs(const Importer& importer, std::uint64_t pgoff, const testexp_extent& extent) {
    const std::string where = " of page " + std::to_string(pgoff);
    const Result<testexp_describe> answer = attrs(importer, pgoff);
    const bool mmio =
        extent.type == TESTEXP_EXTENT_MMIO || (extent.attributes & TESTEXP_EXTENT_AS_MMIO);

    ksft::expect_eq(answer.code(), 0, "error" + where);
    if (!answer)
        return;
    ksft::expect_eq(answer.value().type, mmio ? TESTEXP_EXTENT_MMIO : TESTEXP_EXTENT_RAM,
                    "type" + where);
    ksft::expect_eq(answer.value().cache, extent.cache, "cache mode" + where);
}

void each_page(const Layout& layout) {
    require_attrs();
    if (has_mmio(layout))
        (void)mmio_bar();

    const Buffer buffer = device().create({.layout = layout}).value();
    const Importer importer = device().attach(buffer.fd.get(), attach_flags_for(layout)).value();
    std::uint64_t pgoff = 0;

    for (const testexp_extent& extent : layout.extents)
        for (std::uint64_t i = 0; i < extent.nr_pages; i++)
            expect_attrs(importer, pgoff++, extent);
    ksft::expect_eq(device().stats(buffer.fd.get()).value().lock_violations, 0,
                    "calls of the exporter without the reservation lock");
}

/* A pgoff that 32 bits cannot hold. */
void far_page() {
    require_attrs();

    constexpr std::uint64_t far = std::uint64_t{1} << 32;
    const Layout layout = Layout{}.synthetic(0, far).synthetic(far, 2, uncached);
    const Buffer buffer = device().create({.layout = layout}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    expect_attrs(importer, far - 1, layout.extents[0]);
    expect_attrs(importer, far, layout.extents[1]);
    expect_attrs(importer, far + 1, layout.extents[1]);
}

constexpr std::pair<const char*, std::uint64_t> out_of_bounds[] = {
    {"pages", 4},
    {"2^32", std::uint64_t{1} << 32},
    {"2^51", std::uint64_t{1} << 51},
    {"2^52", std::uint64_t{1} << 52}, /* times the size of a page: 0 in 64 bits */
    {"2^52+1", (std::uint64_t{1} << 52) + 1},
    {"2^64-1", std::numeric_limits<std::uint64_t>::max()},
};

/* The exporter's callback searches the layout, so it must not see such a pgoff. */
void refused_by_core(std::uint64_t pgoff) {
    require_attrs();

    const Buffer buffer = device().create({.layout = Layout{}.ram(4)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    expect_warnings(0, [&] { ksft::expect_eq(attrs(importer, pgoff).code(), EINVAL, "error"); });
    ksft::expect_eq(attrs(importer, 3).code(), 0, "error of the last page");
}

/* Values that the kernel does not have must not reach the user, in either form of the question. */
void wrong_value(std::uint32_t inject) {
    require_attrs();

    const Buffer buffer = device().create({.layout = Layout{}.ram(1), .inject = inject}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    ksft::expect_eq(attrs(importer, 0).code(), EUCLEAN, "error with the flag ATTRS");
    ksft::expect_eq(importer.describe(0).code(), EUCLEAN, "error without a flag");
    ksft::expect_eq(importer.resolve(0, 1).value()[0].error, 0, "error of get_pfn");
}

constexpr std::pair<const char*, std::uint32_t> wrong_values[] = {
    {"type", TESTEXP_INJECT_TYPE},
    {"cache", TESTEXP_INJECT_CACHE},
};

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Named& named : layouts())
        plan.add(std::string("P14.attrs[layout=") + named.name + "]",
                 [=] { each_page(named.layout); });
    plan.add("P14.attrs_of_far_page", far_page);
    for (const auto& [name, pgoff] : out_of_bounds)
        plan.add(std::string("attrs.out_of_bounds[pgoff=") + name + "]",
                 [at = pgoff] { refused_by_core(at); });
    for (const auto& [name, inject] : wrong_values)
        plan.add(std::string("attrs.wrong_value[value=") + name + "]",
                 [which = inject] { wrong_value(which); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
