// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: dma_buf_export() accepts exactly what the contract allows: priv, release, map if and only
 * if unmap, at least one of map and get_pfn, pin if and only if unpin, get_pfn_attrs only with
 * get_pfn, cache_sgt_mapping only with map and without pin. Anything else gives -EINVAL and a
 * WARNING.
 *
 * Method: the module passes each row's set of callbacks to dma_buf_export() (MISUSE). For each rule
 * there is a row that keeps the rule and a row that breaks it and differs in nothing else.
 *
 * Does not see: whether an accepted exporter works (truth_table).
 */
#include "fixture.hpp"

using namespace testexp;

namespace {

struct Row {
    const char* name;
    bool priv, release, map, unmap, get_pfn, pin, unpin, cache;
    int result; /* 0 or a positive errno */
    bool attrs = false;
    bool no_ops = false;

    std::uint32_t flags() const;
};

// clang-format off
constexpr Row rows[] = {
/*                              priv rel map unmap get_pfn pin unpin cache  result  attrs  no_ops */
    {"map_only",                   1,  1,  1,  1,      0,    0,  0,    0,   0},
    {"no_priv",                    0,  1,  1,  1,      0,    0,  0,    0,   EINVAL},
    {"no_release",                 1,  0,  1,  1,      0,    0,  0,    0,   EINVAL},
    {"map_without_unmap",          1,  1,  1,  0,      0,    0,  0,    0,   EINVAL},
    {"unmap_without_map",          1,  1,  0,  1,      0,    0,  0,    0,   EINVAL},
    {"neither_map_nor_get_pfn",    1,  1,  0,  0,      0,    0,  0,    0,   EINVAL},
    {"nothing_at_all",             0,  0,  0,  0,      0,    0,  0,    0,   EINVAL},
    {"no_ops",                     1,  1,  1,  1,      0,    0,  0,    0,   EINVAL, false, true},

    {"get_pfn_only",               1,  1,  0,  0,      1,    0,  0,    0,   0},
    {"get_pfn_only,no_priv",       0,  1,  0,  0,      1,    0,  0,    0,   EINVAL},
    {"get_pfn_only,no_release",    1,  0,  0,  0,      1,    0,  0,    0,   EINVAL},
    {"get_pfn,map_without_unmap",  1,  1,  1,  0,      1,    0,  0,    0,   EINVAL},
    {"get_pfn,unmap_without_map",  1,  1,  0,  1,      1,    0,  0,    0,   EINVAL},
    {"both",                       1,  1,  1,  1,      1,    0,  0,    0,   0},

    {"map_only,dynamic",           1,  1,  1,  1,      0,    1,  1,    0,   0},
    {"map_only,pin_without_unpin", 1,  1,  1,  1,      0,    1,  0,    0,   EINVAL},
    {"map_only,unpin_without_pin", 1,  1,  1,  1,      0,    0,  1,    0,   EINVAL},
    {"get_pfn_only,dynamic",       1,  1,  0,  0,      1,    1,  1,    0,   0},
    {"get_pfn_only,pin_no_unpin",  1,  1,  0,  0,      1,    1,  0,    0,   EINVAL},
    {"get_pfn_only,unpin_no_pin",  1,  1,  0,  0,      1,    0,  1,    0,   EINVAL},
    {"both,dynamic",               1,  1,  1,  1,      1,    1,  1,    0,   0},
    {"dynamic_without_methods",    1,  1,  0,  0,      0,    1,  1,    0,   EINVAL},

    {"map_only,cache",             1,  1,  1,  1,      0,    0,  0,    1,   0},
    {"both,cache",                 1,  1,  1,  1,      1,    0,  0,    1,   0},
    {"get_pfn_only,cache",         1,  1,  0,  0,      1,    0,  0,    1,   EINVAL},
    {"cache_without_methods",      1,  1,  0,  0,      0,    0,  0,    1,   EINVAL},
    {"map_only,dynamic,cache",     1,  1,  1,  1,      0,    1,  1,    1,   EINVAL},
    {"both,dynamic,cache",         1,  1,  1,  1,      1,    1,  1,    1,   EINVAL},
    {"get_pfn_only,dynamic,cache", 1,  1,  0,  0,      1,    1,  1,    1,   EINVAL},
    {"both,cache,pin_no_unpin",    1,  1,  1,  1,      1,    1,  0,    1,   EINVAL},
    {"both,cache,unpin_no_pin",    1,  1,  1,  1,      1,    0,  1,    1,   EINVAL},

    {"get_pfn_only,attrs",         1,  1,  0,  0,      1,    0,  0,    0,   0,      true},
    {"both,dynamic,attrs",         1,  1,  1,  1,      1,    1,  1,    0,   0,      true},
    {"map_only,attrs",             1,  1,  1,  1,      0,    0,  0,    0,   EINVAL, true},
    {"map_only,dynamic,attrs",     1,  1,  1,  1,      0,    1,  1,    0,   EINVAL, true},
    {"attrs_without_methods",      1,  1,  0,  0,      0,    0,  0,    0,   EINVAL, true},
};
// clang-format on

std::uint32_t Row::flags() const {
    return (priv ? TESTEXP_EXPORT_PRIV : 0U) | (release ? TESTEXP_EXPORT_RELEASE : 0U) |
           (map ? TESTEXP_EXPORT_MAP : 0U) | (unmap ? TESTEXP_EXPORT_UNMAP : 0U) |
           (get_pfn ? TESTEXP_EXPORT_GET_PFN : 0U) | (pin ? TESTEXP_EXPORT_PIN : 0U) |
           (unpin ? TESTEXP_EXPORT_UNPIN : 0U) | (cache ? TESTEXP_EXPORT_CACHE : 0U) |
           (attrs ? TESTEXP_EXPORT_ATTRS : 0U) | (no_ops ? TESTEXP_EXPORT_NO_OPS : 0U);
}

void exported(const Row& row) {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    if (row.get_pfn)
        REQUIRE(device().has(TESTEXP_FEAT_NATIVE), "the stock kernel has no get_pfn");

    if (row.attrs)
        REQUIRE(device().has(TESTEXP_FEAT_PFN_ATTRS), "the kernel has no dma_buf_get_pfn_attrs()");
    if (row.cache)
        REQUIRE(device().has(TESTEXP_FEAT_MAPS_AT_ATTACH),
                "since 6.16 exporters have no cache_sgt_mapping");

    expect_warnings(row.result == 0 ? 0 : 1, [&] {
        ksft::expect_eq(device().misuse(TESTEXP_MISUSE_EXPORT, row.flags()).value(), -row.result,
                        "result of dma_buf_export()");
    });
}

/* Exporters without mmap are accepted. NO_MMAP leaves out vmap as well. */
void without_mmap() {
    const Buffer buffer =
        device().create({.layout = Layout{}.ram(3), .flags = TESTEXP_CREATE_NO_MMAP}).value();

    const Importer importer = device().attach(buffer.fd.get()).value();

    ksft::expect_eq(Mapping::map(buffer.fd.get(), 3).code(), EINVAL, "mmap");
    ksft::expect_eq(importer.map_kernel().code(), EINVAL, "vmap");
    ksft::expect_eq(importer.map().code(), 0, "map");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Row& row : rows)
        plan.add(std::string(row.result ? "export.refused[ops=" : "export.accepted[ops=") +
                     row.name + "]",
                 [&] { exported(row); });
    plan.add("export.accepted[mmap=no]", without_mmap);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
