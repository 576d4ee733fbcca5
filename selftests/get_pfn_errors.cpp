// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: every error of get_pfn is the one that the contract's section 1 names,
 * pfn and max_order stay untouched, and what user space can provoke is silent,
 * while a caller's bug is answered with a WARNING.
 *
 * Method: each error is provoked in both forms and compared exactly; the kernel
 * log is read before and after. Heap and udmabuf are the foreign exporters.
 *
 * Does not see: whether the exporter was called for a pgoff out of bounds other
 * than by its own count of calls; moves (MOVE_NOTIFY) beyond revoke.
 */
#include <iterator>
#include <limits>

#include "fixture.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t ullong_max = std::numeric_limits<std::uint64_t>::max();

std::uint64_t get_pfn_calls(const Buffer& buffer) {
    return device().stats(buffer.fd.get()).value().get_pfns;
}

/* All pages from @pgoff on give @code, in both forms, with and without an order. */
void expect_all_refused(const Importer& importer, std::uint64_t pgoff, std::uint64_t count,
                        int code) {
    for (const Form& form : forms)
        for (const std::uint32_t no_order :
             {0U, static_cast<unsigned int>(TESTEXP_RESOLVE_NO_ORDER)})
            for (const testexp_result& result :
                 importer.resolve(pgoff, count, 1, form.flags | no_order).value())
                expect_refused(result, code,
                               std::string(form.name) + " from pgoff " + std::to_string(pgoff));
}

void foreign_exporter(const Fd& buffer, std::uint32_t attach_flags) {
    const Importer importer = device().attach(buffer.get(), attach_flags).value();

    expect_warnings(0, [&] { expect_all_refused(importer, 0, 2, EINVAL); });
}

void no_get_pfn(std::uint32_t create_flags) {
    const Buffer buffer =
        device()
            .create({.layout = Layout{}.ram(4), .flags = create_flags | TESTEXP_CREATE_NO_GET_PFN})
            .value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    expect_warnings(0, [&] { expect_all_refused(importer, 0, 5, EINVAL); });
    ksft::expect_eq(get_pfn_calls(buffer), 0, "calls of get_pfn");
}

/* The core refuses what is out of bounds: the exporter is not even asked. */
void out_of_bounds(std::uint64_t nr_pages, std::uint64_t pgoff) {
    const Buffer buffer =
        device().create({.layout = Layout{}.ram(1, {.repeat = nr_pages})}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    expect_warnings(0, [&] { expect_all_refused(importer, pgoff, 1, EINVAL); });
    ksft::expect_eq(get_pfn_calls(buffer), 0, "calls of get_pfn");
    ksft::expect_eq(importer.resolve(nr_pages - 1, 1).value()[0].error, 0,
                    "error of the last page");
    ksft::expect_eq(get_pfn_calls(buffer), 1, "calls of get_pfn");
}

void add_out_of_bounds(ksft::Plan& plan) {
    const std::pair<const char*, std::uint64_t> far[] = {
        {"2^31", std::uint64_t{1} << 31},
        {"2^32", std::uint64_t{1} << 32},
        {"2^51", std::uint64_t{1} << 51},
        {"2^52", std::uint64_t{1} << 52}, /* times the size of a page: 0 */
        {"2^52+1", (std::uint64_t{1} << 52) + 1},
        {"2^63", std::uint64_t{1} << 63},
        {"2^64-1", ullong_max},
    };

    for (const std::uint64_t nr_pages : {1U, 512U}) {
        const std::string name = "get_pfn.out_of_bounds[pages=" + std::to_string(nr_pages);

        plan.add(name + ",pgoff=pages]", [=] { out_of_bounds(nr_pages, nr_pages); });
        plan.add(name + ",pgoff=pages+1]", [=] { out_of_bounds(nr_pages, nr_pages + 1); });
        for (const auto& [text, pgoff] : far)
            plan.add(name + ",pgoff=" + text + "]",
                     [=, at = pgoff] { out_of_bounds(nr_pages, at); });
    }
}

void no_pfn_here(const Layout& layout, int code) {
    const Buffer buffer = device().create({.layout = layout}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    expect_warnings(0, [&] { expect_all_refused(importer, 0, layout.nr_pages(), code); });
}

/* The exporter says so, to those that are attached and to those that come late. */
void revoked(std::uint32_t attach_flags) {
    const Buffer buffer = device().create({.layout = Layout{}.ram(4).hole(1)}).value();
    const Importer importer = device().attach(buffer.fd.get(), attach_flags).value();

    ksft::expect_eq(importer.resolve(0, 1).value()[0].error, 0, "error before");
    for (int times = 0; times < 2; times++) {
        ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "revoke");
        expect_warnings(0, [&] { expect_all_refused(importer, 0, 5, ENODEV); });
        ksft::expect_eq(device().attach(buffer.fd.get(), attach_flags).code(), ENODEV, "attach");
    }
    /* Still bounded by the core, which comes first. */
    expect_all_refused(importer, 5, 1, EINVAL);
}

void map_after_revoke() {
    const Buffer buffer = device().create({.layout = Layout{}.ram(4)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    ksft::expect_eq(importer.map().code(), 0, "map before");
    ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "revoke");
    ksft::expect_eq(importer.map().code(), ENODEV, "map");
}

/* Without MOVE_NOTIFY nobody would tell the importer that its PFNs went stale. */
void dynamic_exporter(std::uint32_t attach_flags) {
    const Buffer buffer =
        device().create({.layout = Layout{}.ram(4), .flags = TESTEXP_CREATE_DYNAMIC}).value();
    const Importer importer = device().attach(buffer.fd.get(), attach_flags).value();

    if (device().has(TESTEXP_FEAT_MOVE_NOTIFY)) {
        for (const testexp_result& result : importer.resolve(0, 4).value())
            ksft::expect_eq(result.error, 0, "error with CONFIG_DMABUF_MOVE_NOTIFY=y");
        return;
    }
    expect_warnings(0, [&] { expect_all_refused(importer, 0, 4, ENOENT); });
    expect_all_refused(importer, 4, 1, EINVAL);
    ksft::expect_eq(get_pfn_calls(buffer), 0, "calls of get_pfn");
}

/* A driver's bug, not user space's: refused, and loudly. */
void misuse(testexp_misuse_case which) {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    expect_warnings(1, [&] { ksft::expect_eq(device().misuse(which).value(), -EINVAL, "result"); });
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    plan.add("P10.no_get_pfn[exporter=own]", [] { no_get_pfn(0); });
    plan.add("P10.no_get_pfn[exporter=own_dynamic]", [] { no_get_pfn(TESTEXP_CREATE_DYNAMIC); });
    plan.add("P10.no_get_pfn[exporter=system_heap]",
             [] { foreign_exporter(system_heap_buffer(), 0); });
    plan.add("P10.no_get_pfn[exporter=udmabuf]", [] { foreign_exporter(udmabuf_buffer(), 0); });
    plan.add("P10.no_get_pfn[exporter=system_heap,importer=dynamic]",
             [] { foreign_exporter(system_heap_buffer(), TESTEXP_ATTACH_DYNAMIC); });
    plan.add("P10.no_get_pfn[exporter=udmabuf,importer=dynamic]",
             [] { foreign_exporter(udmabuf_buffer(), TESTEXP_ATTACH_DYNAMIC); });

    add_out_of_bounds(plan);

    plan.add("get_pfn.hole", [] { no_pfn_here(Layout{}.hole(3), ENXIO); });
    plan.add("get_pfn.private", [] { no_pfn_here(Layout{}.priv(3), EOPNOTSUPP); });
    plan.add("P4.revoked[importer=static]", [] { revoked(0); });
    plan.add("P4.revoked[importer=dynamic]", [] {
        /* A mapping is made at attach, which a hole would refuse. */
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE), "the stock kernel maps at attach");
        revoked(TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE);
    });
    plan.add("P4.map_after_revoke", map_after_revoke);
    plan.add("get_pfn.dynamic_exporter[importer=static]", [] { dynamic_exporter(0); });
    plan.add("get_pfn.dynamic_exporter[importer=dynamic]",
             [] { dynamic_exporter(TESTEXP_ATTACH_DYNAMIC); });

    plan.add("get_pfn.null_attach[form=locked]", [] { misuse(TESTEXP_MISUSE_NULL_ATTACH); });
    plan.add("get_pfn.null_attach[form=unlocked]",
             [] { misuse(TESTEXP_MISUSE_NULL_ATTACH_UNLOCKED); });
    plan.add("get_pfn.null_pfn[form=locked]", [] { misuse(TESTEXP_MISUSE_NULL_PFN); });
    plan.add("get_pfn.null_pfn[form=unlocked]", [] { misuse(TESTEXP_MISUSE_NULL_PFN_UNLOCKED); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
