// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: when a callback of the exporter fails, its errno reaches the caller, each pin is undone
 * exactly once, each mapping is unmapped and each attach is detached (P8). The same holds when a
 * signal ends the core's wait for a fence of usage KERNEL.
 *
 * Method: each row of lib/oracle/truth.hpp with each callback failing. The row says which callbacks
 * run and when; counts are compared while the importer lives and after.
 *
 * Does not see: calls that succeed (truth_table); which attachment a pin belonged to; races of
 * attach and detach.
 */
#include <csignal>
#include <ctime>
#include <optional>

#include "fixture.hpp"
#include "truth.hpp"

using namespace testexp;
using truth::Row;

namespace {

/* A callback that fails. Its errno differs from those that the core has for its own failures. */
struct Injection {
    const char* name;
    std::uint32_t flag;
    int code;
};

constexpr Injection injections[] = {
    {"pin", TESTEXP_INJECT_PIN, ENOSPC},
    {"map", TESTEXP_INJECT_MAP, EIO},
    {"attach", TESTEXP_INJECT_ATTACH, EPERM},
};

/* A row of the table, and the callback that fails. */
struct Injected {
    const Row& row;
    const Injection& injection;

    bool fails(std::uint32_t flag, bool is_called) const {
        return injection.flag == flag && is_called;
    }
};

/* Wherever the row says that a callback runs, its failure decides the result. */
int expected_attach(const Injected& c) {
    if (c.row.attach != 0)
        return c.row.attach;
    return c.fails(TESTEXP_INJECT_ATTACH, true) ||
                   c.fails(TESTEXP_INJECT_PIN, c.row.pins_at_attach > 0) ||
                   c.fails(TESTEXP_INJECT_MAP, c.row.maps_at_attach > 0)
               ? c.injection.code
               : 0;
}

int expected_map(const Injected& c) {
    const int pins = device().has(TESTEXP_FEAT_MOVE_NOTIFY) ? c.row.pins_y : c.row.pins_n;

    if (c.row.map != 0)
        return c.row.map;
    return c.fails(TESTEXP_INJECT_PIN, pins > c.row.pins_at_attach) ||
                   c.fails(TESTEXP_INJECT_MAP, c.row.maps > c.row.maps_at_attach)
               ? c.injection.code
               : 0;
}

/* What an accepted importer holds while it lives. */
void expect_held(const Injected& c, const testexp_stats& stats) {
    ksft::expect_eq(stats.pins - stats.unpins, c.row.pins_at_attach, "pins held");
    ksft::expect_eq(stats.attaches - stats.detaches, 1, "attachments");
}

void attach_map_detach(const Injected& c, const Buffer& buffer) {
    const Result<Importer> importer = device().attach(buffer.fd.get(), c.row.attach_flags());

    ksft::expect_eq(importer.code(), expected_attach(c), "attach");
    if (!importer)
        return;

    expect_held(c, device().stats(buffer.fd.get()).value());
    for (int times = 0; times < 2; times++)
        ksft::expect_eq(importer.value().map().code(), expected_map(c), "map");
    expect_held(c, device().stats(buffer.fd.get()).value());
}

void balanced(const Injected& c) {
    require_possible(c.row);

    const Buffer buffer = device()
                              .create({.layout = Layout{}.ram(2),
                                       .flags = c.row.create_flags(),
                                       .inject = c.injection.flag})
                              .value();

    for (int times = 0; times < 2; times++)
        attach_map_detach(c, buffer);

    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.unpins, stats.pins, "unpins, against pins");
    ksft::expect_eq(stats.unmaps, stats.maps, "unmaps, against maps");
    ksft::expect_eq(stats.detaches, stats.attaches, "detaches, against attaches");
    if (device().has(TESTEXP_FEAT_MAP_LOCKED))
        ksft::expect_eq(stats.lock_violations, 0, "callbacks without the reservation lock");
}

/* The other cases leave this check out where it does not hold. Here it is skipped by name. */
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

/*
 * An importer that has the buffer pinned as long as it lives: for a static importer the core pins
 * at attach, or else a dynamic importer pins.
 */
Result<Importer> attach_pinning(const Buffer& buffer) {
    const bool by_core = device().has(TESTEXP_FEAT_MAPS_AT_ATTACH);

    return device().attach(buffer.fd.get(),
                           by_core ? 0U : TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_PIN);
}

/* Two importers have one pin each, and the buffer stays pinned for the one that is left. */
void two_importers() {
    const Buffer buffer =
        device().create({.layout = Layout{}.ram(2), .flags = TESTEXP_CREATE_DYNAMIC}).value();
    const auto pins_held = [&] {
        const testexp_stats stats = device().stats(buffer.fd.get()).value();

        return stats.pins - stats.unpins;
    };
    const Importer first = attach_pinning(buffer).value();

    {
        const Importer second = attach_pinning(buffer).value();

        ksft::expect_eq(pins_held(), 2, "pins held by two");
    }
    ksft::expect_eq(pins_held(), 1, "pins held by one");
}

/* A dynamic importer may pin for itself, as long as it lives. */
void pinned_by_importer() {
    const Buffer buffer =
        device().create({.layout = Layout{}.ram(2), .flags = TESTEXP_CREATE_DYNAMIC}).value();

    for (int times = 1; times <= 2; times++) {
        const Result<Importer> importer =
            device().attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_PIN);

        ksft::expect_eq(importer.code(), 0, "attach");
        const testexp_stats stats = device().stats(buffer.fd.get()).value();

        ksft::expect_eq(stats.pins - stats.unpins, 1, "pins held");
    }
    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.pins, 2, "pins");
    ksft::expect_eq(stats.unpins, 2, "unpins");
    ksft::expect_eq(stats.lock_violations, 0, "callbacks without the reservation lock");
}

/* Where the exporter refuses the importer's own pin, ATTACH fails and detaches again. */
void refused_pin_of_importer() {
    const Buffer buffer = device()
                              .create({.layout = Layout{}.ram(2),
                                       .flags = TESTEXP_CREATE_DYNAMIC,
                                       .inject = TESTEXP_INJECT_PIN})
                              .value();
    const std::uint32_t importers = device().read_info().value().nr_importers;

    for (const std::uint32_t more : {0U, TESTEXP_ATTACH_FENCE})
        ksft::expect_eq(
            device()
                .attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_PIN | more)
                .code(),
            ENOSPC, "attach");

    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.attaches, 2, "attaches");
    ksft::expect_eq(stats.detaches, 2, "detaches");
    ksft::expect_eq(stats.pins, 0, "pins");
    ksft::expect_eq(stats.unpins, 0, "unpins");
    ksft::expect_eq(device().read_info().value().nr_importers, importers, "nr_importers");
}

/*
 * The core counts the pins of an importer: two pins need two unpins, a pin that fails does not
 * count, and neither does the pin of a mapping. The count decides who may have PFNs.
 */
void pins_are_counted() {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    REQUIRE(device().has(TESTEXP_FEAT_NO_NOTIFY),
            "before 7.1 an importer with operations must have move_notify");
    expect_warnings(0, [] {
        ksft::expect_eq(device().misuse(TESTEXP_MISUSE_PINS).value(), 0, "the first wrong step");
    });
}

/*
 * An unpin without a pin is a bug of the importer. It does not give the importer PFNs, and each
 * such unpin is reported. It reaches the exporter, which the case of MISUSE checks.
 */
void unpin_without_pin() {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");
    REQUIRE(device().has(TESTEXP_FEAT_PFN_ATTRS), "the core of this kernel counts no pins");
    for (int times = 0; times < 2; times++)
        expect_warnings(1, [] {
            ksft::expect_eq(device().misuse(TESTEXP_MISUSE_UNPIN).value(), -ENOENT, "get_pfn");
        });
}

/* Exporters need neither attach nor detach, also where attach fails after the core has pinned. */
void no_attach_callback() {
    REQUIRE(device().has(TESTEXP_FEAT_MISUSE), "load the module with allow_misuse=1");

    const int code = device().has(TESTEXP_FEAT_MAPS_AT_ATTACH) ? -EOPNOTSUPP : 0;

    expect_warnings(0, [code] {
        ksft::expect_eq(device().misuse(TESTEXP_MISUSE_NO_ATTACH_CALLBACK).value(), code, "attach");
    });
}

/* A buffer that is revoked while it is pinned is still unpinned. */
void revoked_while_pinned() {
    const Buffer buffer =
        device().create({.layout = Layout{}.ram(2), .flags = TESTEXP_CREATE_DYNAMIC}).value();

    {
        const Importer importer = attach_pinning(buffer).value();

        ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "revoke");
    }
    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.pins, 1, "pins");
    ksft::expect_eq(stats.unpins, 1, "unpins");
    ksft::expect_eq(stats.unmaps, stats.maps, "unmaps, against maps");
    ksft::expect_eq(attach_pinning(buffer).code(), ENODEV, "attach");
    ksft::expect_eq(device().stats(buffer.fd.get()).value().pins, 1, "pins after a refused attach");
}

/* --- A signal while the core waits for a fence ---------------------------- */

/* While it lives, it sends this process signals that only interrupt. */
class Interruptions {
public:
    Interruptions() {
        struct sigaction action = {};
        sigevent event{};
        const itimerspec often{{0, 5'000'000}, {0, 5'000'000}};

        action.sa_handler = [](int) {}; /* without SA_RESTART */
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGUSR1;
        if (sigaction(SIGUSR1, &action, nullptr) < 0 ||
            timer_create(CLOCK_MONOTONIC, &event, &timer_) < 0 ||
            timer_settime(timer_, 0, &often, nullptr) < 0)
            ksft::fail(errno_error("timer").what);
    }
    Interruptions(const Interruptions&) = delete;
    Interruptions& operator=(const Interruptions&) = delete;
    ~Interruptions() { timer_delete(timer_); }

private:
    timer_t timer_{};
};

/*
 * Repeats the call until a signal ends it: on a machine that stalls, the fence may signal first. No
 * other thread wants the locks that the call takes, so the call can only have waited for the fence.
 */
void interrupted(std::uint32_t create_flags, bool in_attach) {
    if (in_attach)
        REQUIRE(device().has(TESTEXP_FEAT_MAPS_AT_ATTACH),
                "since 6.16 attaching maps nothing, so attaching waits for no fence");

    const testexp_info before = device().read_info().value();
    int code = 0;

    for (int attempt = 0; attempt < limits::attempts && code == 0; attempt++) {
        const Buffer buffer = device()
                                  .create({.layout = Layout{}.ram(4),
                                           .flags = create_flags,
                                           .inject = TESTEXP_INJECT_FENCE})
                                  .value();
        std::optional<Importer> importer;

        if (!in_attach)
            importer = device().attach(buffer.fd.get()).value();
        {
            const Interruptions interruptions;

            code = in_attach ? device().attach(buffer.fd.get()).code() : importer->map().code();
        }
        const testexp_stats stats = device().stats(buffer.fd.get()).value();

        ksft::expect_eq(stats.maps, 1, "maps: the buffer was mapped before the wait");
        ksft::expect_eq(stats.unmaps, 1, "unmaps");
        ksft::expect_eq(stats.unpins, stats.pins, "unpins, against pins");
        ksft::expect_eq(stats.attaches - stats.detaches, in_attach ? 0 : 1, "attachments");

        /*
         * The interrupted call must leave nothing that makes the next call fail. The next call
         * waits for the fence as well, and nobody interrupts it.
         */
        if (in_attach)
            importer = device().attach(buffer.fd.get()).value();
        ksft::expect_eq(importer->map().code(), 0, "map without a signal");
    }
    ksft::expect_eq(code, EINTR, "result of the interrupted call");
    ksft::expect_eq(device().read_info().value().nr_importers, before.nr_importers, "nr_importers");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Row& row : truth::rows(device().info().features)) {
        if (row.create != 0)
            continue;
        for (const Injection& injection : injections) {
            const std::string name = "P8.balance[" + row.name() + ",inject=" + injection.name + "]";

            plan.add(name, [&] { balanced({row, injection}); });
        }
    }
    plan.add("P7.mapped_under_lock", mapped_under_lock);
    plan.add("P8.two_importers", two_importers);
    plan.add("P8.pinned_by_importer", pinned_by_importer);
    plan.add("P8.refused_pin_of_importer", refused_pin_of_importer);
    plan.add("P8.pins_are_counted", pins_are_counted);
    plan.add("P8.unpin_without_pin", unpin_without_pin);
    plan.add("P8.no_attach_callback", no_attach_callback);
    plan.add("P8.revoked_while_pinned", revoked_while_pinned);
    plan.add("P8.interrupted[call=map,buffer=static]", [] { interrupted(0, false); });
    plan.add("P8.interrupted[call=attach,buffer=dynamic]",
             [] { interrupted(TESTEXP_CREATE_DYNAMIC, true); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
