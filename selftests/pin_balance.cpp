// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: over every combination of exporter, importer and injected failure, each
 * pin is undone exactly once, each mapping unmapped and each attach detached, and
 * the failure arrives with its errno (P8). A static importer of a dynamic exporter
 * is pinned from attach to detach.
 *
 * Method: the exporter counts its callbacks; the counts are compared while the
 * importer lives and after it is gone.
 *
 * Does not see: which attachment a pin belonged to; races of attach and detach.
 */
#include <vector>

#include "fixture.hpp"

using namespace testexp;

namespace {

struct Combination {
    bool dynamic_exporter;
    bool dynamic_importer;
    bool with_device;
    std::uint32_t methods; /* TESTEXP_CREATE_NO_*, _CACHE_SGT */
    std::uint32_t inject;

    std::uint32_t create_flags() const {
        return methods | (dynamic_exporter ? TESTEXP_CREATE_DYNAMIC : 0U);
    }
    std::uint32_t attach_flags() const {
        return (dynamic_importer ? TESTEXP_ATTACH_DYNAMIC : 0U) |
               (with_device ? 0U : TESTEXP_ATTACH_NO_DEVICE);
    }
    bool injected(std::uint32_t what) const { return inject & what; }
    bool has_get_pfn() const { return !(methods & TESTEXP_CREATE_NO_GET_PFN); }
    bool can_map() const { return with_device && !(methods & TESTEXP_CREATE_NO_MAP); }

    /* The core holds a pin for importers that cannot follow a move. */
    bool pinned_at_attach() const { return dynamic_exporter && !dynamic_importer; }

    /* It also maps for them, as it does for the opposite mismatch. */
    bool mapped_at_attach() const { return can_map() && dynamic_exporter != dynamic_importer; }
};

int expected_attach(const Combination& c) {
    if (!c.with_device && !c.has_get_pfn())
        return EINVAL;
    if (c.injected(TESTEXP_INJECT_ATTACH))
        return ENOMEM;
    if (c.pinned_at_attach() && c.injected(TESTEXP_INJECT_PIN))
        return ENOMEM;
    if (c.mapped_at_attach() && c.injected(TESTEXP_INJECT_MAP))
        return ENOMEM;
    return 0;
}

int expected_map(const Combination& c) {
    if (!c.can_map())
        return EINVAL;
    if (c.mapped_at_attach())
        return 0; /* that one is used again */
    /* Without MOVE_NOTIFY a mapping must hold the buffer in place itself. */
    if (c.dynamic_exporter && !device().has(TESTEXP_FEAT_MOVE_NOTIFY) &&
        c.injected(TESTEXP_INJECT_PIN))
        return ENOMEM;
    return c.injected(TESTEXP_INJECT_MAP) ? ENOMEM : 0;
}

int expected_get_pfn(const Combination& c) {
    if (!c.has_get_pfn())
        return -EINVAL;
    return c.dynamic_exporter && !device().has(TESTEXP_FEAT_MOVE_NOTIFY) ? -ENOENT : 0;
}

/* What is held while an importer that was accepted lives. */
void expect_held(const Combination& c, const testexp_stats& stats) {
    ksft::expect_eq(stats.pins - stats.unpins, c.pinned_at_attach() ? 1 : 0, "pins held");
    ksft::expect_eq(stats.attaches - stats.detaches, 1, "attachments");
}

void use(const Combination& c, const Importer& importer) {
    for (int times = 0; times < 2; times++) {
        ksft::expect_eq(importer.map().code(), expected_map(c), "map");
        for (const Form& form : forms)
            ksft::expect_eq(importer.resolve(0, 1, 1, form.flags).value()[0].error,
                            expected_get_pfn(c), "error of get_pfn");
    }
}

void attach_use_detach(const Combination& c, const Buffer& buffer) {
    const Result<Importer> importer = device().attach(buffer.fd.get(), c.attach_flags());

    ksft::expect_eq(importer.code(), expected_attach(c), "attach");
    if (!importer)
        return;

    expect_held(c, device().stats(buffer.fd.get()).value());
    use(c, importer.value());
    expect_held(c, device().stats(buffer.fd.get()).value());
}

void balanced(const Combination& c) {
    if (!c.with_device)
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
                "the stock kernel refuses device-less importers");
    if (c.methods & TESTEXP_CREATE_NO_MAP)
        REQUIRE(device().has(TESTEXP_FEAT_NO_MAP), "the stock kernel wants map_dma_buf");

    const Buffer buffer =
        device()
            .create({.layout = Layout{}.ram(2), .flags = c.create_flags(), .inject = c.inject})
            .value();

    for (int times = 0; times < 2; times++)
        attach_use_detach(c, buffer);

    const testexp_stats stats = device().stats(buffer.fd.get()).value();
    const int attached = expected_attach(c) == 0 ? 2 : 0;

    ksft::expect_eq(stats.unpins, stats.pins, "unpins, against pins");
    ksft::expect_eq(stats.unmaps, stats.maps, "unmaps, against maps");
    ksft::expect_eq(stats.detaches, stats.attaches, "detaches, against attaches");
    if (device().has(TESTEXP_FEAT_MAP_LOCKED))
        ksft::expect_eq(stats.lock_violations, 0, "callbacks without the reservation lock");
    if (attached && c.pinned_at_attach() &&
        (device().has(TESTEXP_FEAT_MOVE_NOTIFY) || !c.can_map()))
        ksft::expect_eq(stats.pins, attached, "pins");
    if (attached && !c.dynamic_exporter)
        ksft::expect_eq(stats.pins, 0, "pins");
}

/* What balanced() leaves out where it does not hold; so that it is named. */
void mapped_under_lock() {
    REQUIRE(device().has(TESTEXP_FEAT_MAP_LOCKED),
            "before 6.2 the core maps static buffers without the reservation lock");

    const Buffer buffer = device().create({.layout = Layout{}.ram(2)}).value();
    const Importer importer = device().attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC).value();

    ksft::expect_eq(importer.map().code(), 0, "map");

    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.maps, 1, "maps");
    ksft::expect_eq(stats.lock_violations, 0, "callbacks without the reservation lock");
}

/* Two importers: one pin each, and the one that is left stays pinned. */
void two_importers() {
    const Buffer buffer =
        device().create({.layout = Layout{}.ram(2), .flags = TESTEXP_CREATE_DYNAMIC}).value();
    const auto pins_held = [&] {
        const testexp_stats stats = device().stats(buffer.fd.get()).value();

        return stats.pins - stats.unpins;
    };
    const Importer first = device().attach(buffer.fd.get()).value();

    {
        const Importer second = device().attach(buffer.fd.get()).value();

        ksft::expect_eq(pins_held(), 2, "pins held by two");
    }
    ksft::expect_eq(pins_held(), 1, "pins held by one");
}

/* A pinned buffer is let go of even when it is revoked meanwhile. */
void revoked_while_pinned() {
    const Buffer buffer =
        device().create({.layout = Layout{}.ram(2), .flags = TESTEXP_CREATE_DYNAMIC}).value();

    {
        const Importer importer = device().attach(buffer.fd.get()).value();

        ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "revoke");
    }
    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.pins, 1, "pins");
    ksft::expect_eq(stats.unpins, 1, "unpins");
    ksft::expect_eq(stats.unmaps, stats.maps, "unmaps, against maps");
    ksft::expect_eq(device().attach(buffer.fd.get()).code(), ENODEV, "attach");
    ksft::expect_eq(device().stats(buffer.fd.get()).value().pins, 1, "pins after a refused attach");
}

struct Choice {
    const char* name;
    std::uint32_t flags;
};

constexpr Choice methods[] = {
    {"both", 0},
    {"get_pfn_only", TESTEXP_CREATE_NO_MAP},
    {"map_only", TESTEXP_CREATE_NO_GET_PFN},
    {"cache", TESTEXP_CREATE_CACHE_SGT},
};

constexpr Choice injections[] = {
    {"none", 0},
    {"pin", TESTEXP_INJECT_PIN},
    {"map", TESTEXP_INJECT_MAP},
    {"attach", TESTEXP_INJECT_ATTACH},
};

void make_plan(ksft::Plan& plan) {
    const auto word = [](bool dynamic) { return dynamic ? "dynamic" : "static"; };

    (void)device();
    for (const bool dynamic_exporter : {false, true})
        for (const Choice& method : methods) {
            if (dynamic_exporter && method.flags & TESTEXP_CREATE_CACHE_SGT)
                continue; /* export refuses that */
            for (const bool dynamic_importer : {false, true})
                for (const bool with_device : {true, false})
                    for (const Choice& injection : injections) {
                        const Combination c{dynamic_exporter, dynamic_importer, with_device,
                                            method.flags, injection.flags};

                        plan.add(std::string("P8.balance[exporter=") + word(dynamic_exporter) +
                                     ",methods=" + method.name +
                                     ",importer=" + word(dynamic_importer) +
                                     ",device=" + (with_device ? "yes" : "no") +
                                     ",inject=" + injection.name + "]",
                                 [=] { balanced(c); });
                    }
        }
    plan.add("P7.mapped_under_lock", mapped_under_lock);
    plan.add("P8.two_importers", two_importers);
    plan.add("P8.revoked_while_pinned", revoked_while_pinned);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
