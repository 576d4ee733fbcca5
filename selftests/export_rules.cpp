// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: dma_buf_export() accepts exactly the combinations of callbacks that the
 * contract allows: at least one of map and get_pfn, map with unmap, pin with
 * unpin, cache_sgt_mapping only with map and without pin.
 *
 * Method: the module hands wrong combinations to dma_buf_export() itself (MISUSE)
 * and each must give -EINVAL and a WARNING; good ones are made by CREATE and used.
 *
 * Does not see: combinations that break two rules at once.
 */
#include "fixture.hpp"

using namespace testexp;

namespace {

struct Wrong {
    const char* name;
    testexp_misuse_case which;
};

constexpr Wrong wrong_exporters[] = {
    {"no_map_no_get_pfn", TESTEXP_MISUSE_EXPORT_NOTHING},
    {"map_without_unmap", TESTEXP_MISUSE_EXPORT_MAP_ONLY},
    {"unmap_without_map", TESTEXP_MISUSE_EXPORT_UNMAP_ONLY},
    {"pin_without_unpin", TESTEXP_MISUSE_EXPORT_PIN_ONLY},
    {"unpin_without_pin", TESTEXP_MISUSE_EXPORT_UNPIN_ONLY},
    {"cache_with_pin", TESTEXP_MISUSE_EXPORT_CACHE_PIN},
    {"cache_without_map", TESTEXP_MISUSE_EXPORT_CACHE_NO_MAP},
    {"no_release", TESTEXP_MISUSE_EXPORT_NO_RELEASE},
    {"no_priv", TESTEXP_MISUSE_EXPORT_NO_PRIV},
};

struct Good {
    const char* name;
    std::uint32_t flags;
};

constexpr Good good_exporters[] = {
    {"map_and_get_pfn", 0},
    {"map_only", TESTEXP_CREATE_NO_GET_PFN},
    {"get_pfn_only", TESTEXP_CREATE_NO_MAP},
    {"dynamic", TESTEXP_CREATE_DYNAMIC},
    {"dynamic_map_only", TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_NO_GET_PFN},
    {"dynamic_get_pfn_only", TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_NO_MAP},
    {"cache", TESTEXP_CREATE_CACHE_SGT},
    {"cache_map_only", TESTEXP_CREATE_CACHE_SGT | TESTEXP_CREATE_NO_GET_PFN},
    {"no_mmap", TESTEXP_CREATE_NO_MMAP},
};

void refused(const Wrong& wrong) {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    expect_warnings(
        1, [&] { ksft::expect_eq(device().misuse(wrong.which).value(), -EINVAL, "result"); });
}

/* Shows that the wrong ones are refused for what is wrong with them. */
void control() {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    expect_warnings(0, [] {
        ksft::expect_eq(device().misuse(TESTEXP_MISUSE_EXPORT_GOOD).value(), 0, "result");
    });
}

void accepted(const Good& good) {
    if (good.flags & TESTEXP_CREATE_NO_MAP)
        REQUIRE(device().has(TESTEXP_FEAT_NO_MAP), "the stock kernel wants map_dma_buf");

    expect_warnings(0, [&] {
        const Buffer buffer =
            device().create({.layout = Layout{}.ram(3), .flags = good.flags}).value();
        const bool has_map = !(good.flags & TESTEXP_CREATE_NO_MAP);
        const bool has_get_pfn =
            !(good.flags & TESTEXP_CREATE_NO_GET_PFN) &&
            (!(good.flags & TESTEXP_CREATE_DYNAMIC) || device().has(TESTEXP_FEAT_MOVE_NOTIFY));
        const Importer importer = device().attach(buffer.fd.get()).value();

        ksft::expect_eq(importer.map().code(), has_map ? 0 : EINVAL, "map");
        ksft::expect_eq(importer.resolve(0, 1).value()[0].error == 0, has_get_pfn, "get_pfn works");
        ksft::expect_eq(static_cast<bool>(Mapping::map(buffer.fd.get(), 3)),
                        !(good.flags & TESTEXP_CREATE_NO_MMAP), "mmap works");
    });
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Wrong& wrong : wrong_exporters)
        plan.add(std::string("export.refused[ops=") + wrong.name + "]", [&] { refused(wrong); });
    plan.add("export.accepted[ops=control]", control);
    for (const Good& good : good_exporters)
        plan.add(std::string("export.accepted[ops=") + good.name + "]", [&] { accepted(good); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
