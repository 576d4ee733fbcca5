// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: every error of get_pfn is the one that section 1 of the contract names; pfn and
 * max_order stay untouched; errors that user space can provoke are silent, and a caller's bug gives
 * a WARNING.
 *
 * Method: each of these errors is provoked in both forms, with and without max_order; where two
 * errors apply, the test knows which one wins. The kernel log is compared before and after.
 *
 * Does not see: whether the exporter was called for a pgoff out of bounds, except by the exporter's
 * own count of calls; moves, other than by revoke.
 */
#include <iterator>
#include <limits>

#include "fixture.hpp"
#include "kernel_exporters.hpp"
#include "truth.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t ullong_max = std::numeric_limits<std::uint64_t>::max();

std::uint64_t get_pfn_calls(const Buffer& buffer) {
    return device().stats(buffer.fd.get()).value().get_pfns;
}

/* All pages from @pgoff on give @code, in both forms, with and without max_order. */
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

/* An error of section 1 of the contract, or two that apply together: the first one wins. */
struct Line {
    const char* name;
    std::uint32_t create_flags;
    Layout layout;
    bool revoked;
    std::uint64_t pgoff;
    int error_y; /* 0 or a positive errno, with CONFIG_DMABUF_MOVE_NOTIFY */
    int error_n; /* without the option, or where attaching pins no movable buffer */
    bool exporter_asked_y;
    bool exporter_asked_n;
};

const std::vector<Line>& lines() {
    constexpr std::uint32_t none = TESTEXP_CREATE_NO_GET_PFN;
    constexpr std::uint32_t no_attrs = TESTEXP_CREATE_NO_ATTRS;
    constexpr std::uint32_t dynamic = TESTEXP_CREATE_DYNAMIC;
    const Layout ram = Layout{}.ram(4);
    const Layout mixed = Layout{}.ram(4).hole(2).priv(2);
    // clang-format off
    static const std::vector<Line> table{
    /* name                exporter        layout revoked at error y     n           asked y, n */
    {"success",            0,              ram,   false,  3, 0,          0,          true,  true},
    {"no_get_pfn",         none,           ram,   false,  3, EINVAL,     EINVAL,     false, false},
    {"no_get_pfn,dynamic", none | dynamic, ram,   false,  3, EINVAL,     EINVAL,     false, false},
    {"no_get_pfn,end",     none,           ram,   false,  4, EINVAL,     EINVAL,     false, false},
    {"no_get_pfn,revoked", none,           ram,   true,   3, EINVAL,     EINVAL,     false, false},
    {"no_attrs",           no_attrs,       ram,   false,  3, 0,          0,          true,  true},
    {"no_attrs,end",       no_attrs,       ram,   false,  4, EINVAL,     EINVAL,     false, false},
    {"end",                0,              ram,   false,  4, EINVAL,     EINVAL,     false, false},
    {"end,dynamic",        dynamic,        ram,   false,  4, EINVAL,     EINVAL,     false, false},
    {"end,revoked",        0,              ram,   true,   4, EINVAL,     EINVAL,     false, false},
    {"end,private",        0,              mixed, false,  8, EINVAL,     EINVAL,     false, false},
    {"dynamic",            dynamic,        ram,   false,  3, 0,          ENOENT,     true,  false},
    {"dynamic,revoked",    dynamic,        ram,   true,   3, ENODEV,     ENOENT,     true,  false},
    {"revoked",            0,              ram,   true,   3, ENODEV,     ENODEV,     true,  true},
    {"revoked,hole",       0,              mixed, true,   4, ENODEV,     ENODEV,     true,  true},
    {"revoked,private",    0,              mixed, true,   6, ENODEV,     ENODEV,     true,  true},
    {"before_hole",        0,              mixed, false,  3, 0,          0,          true,  true},
    {"hole",               0,              mixed, false,  4, ENXIO,      ENXIO,      true,  true},
    {"private",            0,              mixed, false,  7, EOPNOTSUPP, EOPNOTSUPP, true,  true},
    };
    // clang-format on

    return table;
}

/* A successful call writes the values that were asked for, and nothing else. */
void expect_resolved(const Importer& importer, std::uint64_t pgoff) {
    for (const Form& form : forms)
        for (const bool with_order : {true, false}) {
            const std::uint32_t no_order = with_order ? 0U : TESTEXP_RESOLVE_NO_ORDER;
            const testexp_result result =
                importer.resolve(pgoff, 1, 1, form.flags | no_order).value()[0];

            ksft::expect_eq(result.error, 0, "error");
            ksft::expect(result.pfn != TESTEXP_UNTOUCHED_PFN, "pfn is written");
            ksft::expect_eq(result.max_order != TESTEXP_UNTOUCHED_ORDER, with_order,
                            "max_order is written");
        }
}

void line_holds(const Line& line) {
    const bool y = truth::code_of_get_pfn(device().info().features, TESTEXP_CREATE_DYNAMIC, 0) == 0;
    const int error = y ? line.error_y : line.error_n;
    const Buffer buffer =
        device().create({.layout = line.layout, .flags = line.create_flags}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    if (line.revoked)
        ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "revoke");
    expect_warnings(0, [&] {
        if (error == 0)
            expect_resolved(importer, line.pgoff);
        else
            expect_all_refused(importer, line.pgoff, 1, error);
    });
    ksft::expect_eq(get_pfn_calls(buffer),
                    (y ? line.exporter_asked_y : line.exporter_asked_n) ? 4 : 0,
                    "calls of the exporter's get_pfn");
}

/* dma_buf_get_pfn_attrs() fails as get_pfn does, except where the exporter has no such callback. */
void attrs_line_holds(const Line& line) {
    REQUIRE(device().has(TESTEXP_FEAT_PFN_ATTRS), "the kernel has no dma_buf_get_pfn_attrs()");

    const bool y = truth::code_of_get_pfn(device().info().features, TESTEXP_CREATE_DYNAMIC, 0) == 0;
    const bool has_callback =
        !(line.create_flags & (TESTEXP_CREATE_NO_GET_PFN | TESTEXP_CREATE_NO_ATTRS));
    const int error = y ? line.error_y : line.error_n;
    const Buffer buffer =
        device().create({.layout = line.layout, .flags = line.create_flags}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    if (line.revoked)
        ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "revoke");
    expect_warnings(0, [&] {
        ksft::expect_eq(importer.describe(line.pgoff, TESTEXP_DESCRIBE_ATTRS).code(),
                        has_callback ? error : EOPNOTSUPP, "dma_buf_get_pfn_attrs()");
    });
    ksft::expect_eq(get_pfn_calls(buffer), 0, "calls of the exporter's get_pfn");
}

/* Any buffer may be asked for attributes. The system heap has write-back RAM. */
void attrs_of_foreign() {
    REQUIRE(device().has(TESTEXP_FEAT_PFN_ATTRS), "the kernel has no dma_buf_get_pfn_attrs()");
    expect_warnings(0, [] {
        const Fd heap = system_heap_buffer();
        const Importer importer = device().attach(heap.get()).value();

        const Result<testexp_describe> attrs = importer.describe(0, TESTEXP_DESCRIBE_ATTRS);

        ksft::expect_eq(attrs.code(), system_heap.has_get_pfn() ? 0 : EOPNOTSUPP,
                        "dma_buf_get_pfn_attrs()");
        if (attrs) {
            ksft::expect_eq(attrs.value().type, TESTEXP_EXTENT_RAM, "type");
            ksft::expect_eq(attrs.value().cache, TESTEXP_CACHE_WB, "cache mode");
        }
    });
}

/*
 * Who may have PFNs of which buffer, where the callback of an importer is optional: an importer
 * hears of a move, or has pinned the buffer, and a revocable buffer refuses the others.
 */
struct Importers {
    const char* name;
    std::uint32_t flags;
    int of_movable;   /* error of get_pfn */
    int of_revocable; /* error of attach */
};

constexpr Importers importers[] = {
    {"static", 0, ENOENT, EOPNOTSUPP},
    {"no_callback", TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_NOTIFY, ENOENT, EOPNOTSUPP},
    {"no_callback_pinned", TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_NOTIFY | TESTEXP_ATTACH_PIN,
     0, EOPNOTSUPP},
    {"callback", TESTEXP_ATTACH_DYNAMIC, 0, 0},
    {"callback_pinned", TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_PIN, 0, 0},
};

struct Buffers {
    const char* name;
    std::uint32_t flags;
};

constexpr Buffers buffers[] = {
    {"fixed", 0},
    {"movable", TESTEXP_CREATE_DYNAMIC},
    {"revocable", TESTEXP_CREATE_REVOCABLE},
    {"movable_revocable", TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_REVOCABLE},
};

/* DESCRIBE without ATTRS answers for an importer that may not have the PFN, too. */
void expect_described(const Importer& importer, std::uint64_t pgoff) {
    const Result<testexp_describe> page = importer.describe(pgoff);

    ksft::expect_eq(page.code(), 0, "DESCRIBE");
    if (!page)
        return;
    ksft::expect_eq(page.value().type, TESTEXP_EXTENT_RAM, "type");
    ksft::expect_eq(page.value().cache, TESTEXP_CACHE_WB, "cache mode");
}

void may_have_pfns(const Buffers& kind, const Importers& who) {
    REQUIRE(device().has(TESTEXP_FEAT_NO_NOTIFY),
            "before 7.1 an importer with operations must have move_notify");

    const Buffer buffer = device().create({.layout = Layout{}.ram(4), .flags = kind.flags}).value();

    expect_warnings(0, [&] {
        const Result<Importer> importer = device().attach(buffer.fd.get(), who.flags);
        const int attach = kind.flags & TESTEXP_CREATE_REVOCABLE ? who.of_revocable : 0;

        ksft::expect_eq(importer.code(), attach, "attach");
        if (!importer)
            return;

        const int error = kind.flags & TESTEXP_CREATE_DYNAMIC ? who.of_movable : 0;

        if (error)
            expect_all_refused(importer.value(), 0, 4, error);
        else
            expect_resolved(importer.value(), 3);
        if (device().has(TESTEXP_FEAT_PFN_ATTRS))
            ksft::expect_eq(importer.value().describe(3, TESTEXP_DESCRIBE_ATTRS).code(), error,
                            "dma_buf_get_pfn_attrs()");
        expect_described(importer.value(), 3);
    });
}

/* The methods of an exporter that can be left out. */
struct Methods {
    const char* name;
    std::uint32_t flags;
};

constexpr Methods methods[] = {
    {"all", 0},
    {"map_only", TESTEXP_CREATE_NO_GET_PFN},
    {"get_pfn_only", TESTEXP_CREATE_NO_MAP},
    {"no_attrs", TESTEXP_CREATE_NO_ATTRS},
};

/*
 * A revocable buffer refuses importers that do not hear of the revoke, whatever methods it has.
 * That an importer without a device needs get_pfn is checked first.
 */
void revocable_refuses(const Methods& which) {
    REQUIRE(device().has(TESTEXP_FEAT_PFN_ATTRS), "the kernel knows no revocable buffers");

    const Buffer buffer =
        device()
            .create({.layout = Layout{}.ram(4), .flags = TESTEXP_CREATE_REVOCABLE | which.flags})
            .value();

    expect_warnings(0, [&] {
        std::uint64_t attached = 0;

        for (const Importers& who : importers) {
            if (who.flags & TESTEXP_ATTACH_PIN)
                continue;
            for (const std::uint32_t no_device :
                 {0U, static_cast<unsigned int>(TESTEXP_ATTACH_NO_DEVICE)}) {
                const bool needs_get_pfn = no_device && which.flags & TESTEXP_CREATE_NO_GET_PFN;
                const int code = needs_get_pfn ? EINVAL : who.of_revocable;

                ksft::expect_eq(
                    device().attach(buffer.fd.get(), who.flags | no_device).code(), code,
                    std::string("attach of ") + who.name + (no_device ? " without a device" : ""));
                attached += code == 0 ? 1 : 0;
            }
        }
        ksft::expect_eq(device().stats(buffer.fd.get()).value().attaches, attached, "attaches");
    });
}

/* The core and importers can ask for the class of a buffer. */
void classes_are_told() {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    REQUIRE(device().has(TESTEXP_FEAT_PFN_ATTRS), "the kernel knows no revocable buffers");
    expect_warnings(0, [] {
        ksft::expect_eq(device().misuse(TESTEXP_MISUSE_CLASSES).value(), 0,
                        "the first buffer with a wrong class");
    });
}

/* A mapping pins the buffer for a static importer, but this pin keeps no PFN good. */
void mapping_is_no_pin() {
    REQUIRE(!device().has(TESTEXP_FEAT_MAPS_AT_ATTACH), "before 6.16 attaching pins");

    const Buffer buffer =
        device().create({.layout = Layout{}.ram(4), .flags = TESTEXP_CREATE_DYNAMIC}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    ksft::expect_eq(importer.map().code(), 0, "map");
    expect_warnings(0, [&] { expect_all_refused(importer, 0, 4, ENOENT); });
}

/* The pin of another importer can end at any time, so it keeps no PFN good either. */
void pin_of_another() {
    REQUIRE(device().has(TESTEXP_FEAT_NO_NOTIFY),
            "before 7.1 an importer with operations must have move_notify");

    const Buffer buffer =
        device().create({.layout = Layout{}.ram(4), .flags = TESTEXP_CREATE_DYNAMIC}).value();
    const Importer pinned =
        device().attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_PIN).value();

    for (const std::uint32_t flags :
         {0U, static_cast<unsigned int>(TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_NOTIFY)}) {
        const Importer other = device().attach(buffer.fd.get(), flags).value();

        expect_warnings(0, [&] { expect_all_refused(other, 0, 4, ENOENT); });
    }
    expect_resolved(pinned, 3);
}

/* The core refuses a pgoff that is out of bounds without calling the exporter. */
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
        {"2^52", std::uint64_t{1} << 52}, /* times the size of a page: 0 in 64 bits */
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

/* A part of a page at the end of a buffer has no PFN, because a page is what a PFN stands for. */
void odd_size() {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    expect_warnings(0, [] {
        ksft::expect_eq(device().misuse(TESTEXP_MISUSE_ODD_SIZE).value(), 0,
                        "the first page with a wrong errno");
    });
}

/* Importers that are attached, and importers that attach later, get the exporter's error. */
void revoked(std::uint32_t attach_flags) {
    const Buffer buffer = device().create({.layout = Layout{}.ram(4).hole(1)}).value();
    const Importer importer = device().attach(buffer.fd.get(), attach_flags).value();

    ksft::expect_eq(importer.resolve(0, 1).value()[0].error, 0, "error before");
    for (int times = 0; times < 2; times++) {
        ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "revoke");
        expect_warnings(0, [&] { expect_all_refused(importer, 0, 5, ENODEV); });
        ksft::expect_eq(device().attach(buffer.fd.get(), attach_flags).code(), ENODEV, "attach");
    }
    /* The core checks the bounds first. */
    expect_all_refused(importer, 5, 1, EINVAL);
}

void map_after_revoke() {
    const Buffer buffer = device().create({.layout = Layout{}.ram(4)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    ksft::expect_eq(importer.map().code(), 0, "map before");
    ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "revoke");
    ksft::expect_eq(importer.map().code(), ENODEV, "map");
}

/* A driver's bug that user space cannot make: the call is refused with a WARNING. */
void misuse(testexp_misuse_case which) {
    const bool attrs =
        which == TESTEXP_MISUSE_NULL_ATTACH_ATTRS || which == TESTEXP_MISUSE_NULL_ATTRS;

    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    if (attrs)
        REQUIRE(device().has(TESTEXP_FEAT_PFN_ATTRS), "the kernel has no dma_buf_get_pfn_attrs()");
    expect_warnings(1, [&] { ksft::expect_eq(device().misuse(which).value(), -EINVAL, "result"); });
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Line& line : lines())
        plan.add(std::string("get_pfn.line[case=") + line.name + "]", [&] { line_holds(line); });
    for (const Line& line : lines())
        plan.add(std::string("attrs.line[case=") + line.name + "]",
                 [&] { attrs_line_holds(line); });
    plan.add("attrs.foreign[exporter=system_heap]", attrs_of_foreign);
    plan.add("attrs.null_attach", [] { misuse(TESTEXP_MISUSE_NULL_ATTACH_ATTRS); });
    plan.add("attrs.null_attrs", [] { misuse(TESTEXP_MISUSE_NULL_ATTRS); });
    add_out_of_bounds(plan);
    plan.add("get_pfn.out_of_bounds[bytes=odd]", odd_size);
    for (const Buffers& kind : buffers)
        for (const Importers& who : importers)
            plan.add(std::string("P3.may_have_pfns[buffer=") + kind.name + ",importer=" + who.name +
                         "]",
                     [&] { may_have_pfns(kind, who); });
    for (const Methods& which : methods)
        plan.add(std::string("P3.revocable_refuses[methods=") + which.name + "]",
                 [&] { revocable_refuses(which); });
    plan.add("P3.classes_are_told", classes_are_told);
    plan.add("P3.mapping_is_no_pin", mapping_is_no_pin);
    plan.add("P3.pin_of_another", pin_of_another);

    plan.add("P4.revoked[importer=static]", [] { revoked(0); });
    plan.add("P4.revoked[importer=dynamic]", [] {
        /* Otherwise attach would map the buffer, which a hole prevents. */
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE), "the stock kernel maps at attach");
        revoked(TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE);
    });
    plan.add("P4.map_after_revoke", map_after_revoke);
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
