// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: after a revoke nobody can access the buffer in any way, revoking twice is the same as
 * once, and no signal prevents a revoke (P4). The work of a revoke does not grow with the number of
 * pages (P5). An importer that attaches meanwhile is notified or refused at its first get_pfn (P6).
 * Mappings of the CPU fault (P16). A restore gives everything back (P4). Exporters refuse importers
 * that they could not notify, at attach and not later (P3).
 *
 * Method: each way to the buffer is tried before, between and after. An attach is delayed between
 * its check and the list of attachments until the revoke is over.
 *
 * Does not see: revokes by exporters of real devices; many revokes at once (move_storm).
 */
#include <csignal>
#include <functional>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "truth.hpp"
#include "waiting.hpp"

using namespace testexp;

namespace {

constexpr std::uint32_t dynamic = TESTEXP_ATTACH_DYNAMIC;
constexpr std::uint64_t nr_pages = 16;

Layout layout() {
    return Layout{}.ram(nr_pages, {.align_order = 4});
}

/* A kind of buffer, and who may attach to it. */
struct Class {
    const char* name;
    std::uint32_t create_flags;

    bool can_move() const { return create_flags & TESTEXP_CREATE_DYNAMIC; }
    bool can_restore() const { return can_move() || refuses_static(); }
    bool refuses_static() const { return create_flags & TESTEXP_CREATE_REVOCABLE; }

    /* Without MOVE_NOTIFY the core gives no PFN of a dynamic buffer. */
    bool has_pfns() const { return code_of_get_pfn() == 0; }
    int code_of_get_pfn(std::uint32_t attach_flags = dynamic) const {
        return truth::code_of_get_pfn(device().info().features, create_flags, attach_flags);
    }
    /* The flags of an importer that hears of nothing. */
    std::uint32_t untold() const {
        return truth::flags_of_untold(device().info().features, create_flags);
    }
};

constexpr Class classes[] = {
    {"static", 0},
    {"revocable", TESTEXP_CREATE_REVOCABLE},
    {"dynamic", TESTEXP_CREATE_DYNAMIC},
    {"dynamic_revocable", TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_REVOCABLE},
};

Buffer create(const Class& kind, std::uint32_t inject = 0) {
    return device()
        .create({.layout = layout(),
                 .flags = kind.create_flags | reference_flags(layout()),
                 .inject = inject})
        .value();
}

int revoke(const Buffer& buffer) {
    return device().revoke(buffer.fd.get()).code();
}

int restore(const Buffer& buffer) {
    return device().restore(buffer.fd.get()).code();
}

void touch(const std::byte& byte) {
    (void)*static_cast<const volatile std::byte*>(&byte);
}

/* --- P3 ------------------------------------------------------------------- */

/* A refused attach has pinned, mapped and listed nothing. An accepted one stays accepted. */
void importer_class(const Class& kind, std::uint32_t attach_flags) {
    const Buffer buffer = create(kind);
    const bool refused = kind.refuses_static() && !(attach_flags & dynamic);
    {
        const Result<Importer> importer = device().attach(buffer.fd.get(), attach_flags);
        const testexp_stats stats = device().stats(buffer.fd.get()).value();

        ksft::expect_eq(importer.code(), refused ? EOPNOTSUPP : 0, "attach");
        ksft::expect_eq(stats.attaches, refused ? 0 : 1, "attaches");
        if (refused)
            ksft::expect_eq(stats.pins + stats.maps, 0, "pins and maps");
        else
            ksft::expect_eq(importer.value().resolve(0, 1).value()[0].error,
                            -kind.code_of_get_pfn(attach_flags), "error of get_pfn");
    }
    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.detaches, stats.attaches, "detaches, against attaches");
    ksft::expect_eq(stats.unpins, stats.pins, "unpins, against pins");
}

void require_attach_flags(std::uint32_t flags) {
    if (flags & TESTEXP_ATTACH_NO_NOTIFY)
        REQUIRE(device().has(TESTEXP_FEAT_NO_NOTIFY),
                "before 7.1 an importer with operations must have move_notify");
}

/* A pin prevents a move, but not a revoke, so importers that have pinned are notified as well. */
void pinned_is_revoked(std::uint32_t attach_flags) {
    if (!attach_flags)
        REQUIRE(device().has(TESTEXP_FEAT_MAPS_AT_ATTACH), "since 6.16 attaching pins nothing");
    require_attach_flags(attach_flags);

    const Class kind{"dynamic", TESTEXP_CREATE_DYNAMIC};
    const Buffer buffer = create(kind);
    const Importer importer = device().attach(buffer.fd.get(), attach_flags).value();

    const bool has_callback = attach_flags & dynamic && !(attach_flags & TESTEXP_ATTACH_NO_NOTIFY);

    ksft::expect_eq(device().move(buffer.fd.get(), layout()).code(), EBUSY, "MOVE");
    ksft::expect_eq(revoke(buffer), 0, "REVOKE");
    ksft::expect_eq(importer.audit().value().notifies, has_callback ? 1 : 0, "notifies");
    if (kind.has_pfns())
        expect_refused(importer.resolve(0, 1).value()[0], ENODEV, "get_pfn");
}

/* --- P4 ------------------------------------------------------------------- */

/* Each way to the pages of a revoked buffer. */
void expect_all_refused(const Buffer& buffer, const Importer& importer, const Class& kind) {
    if (kind.has_pfns()) {
        for (const Form& form : forms)
            expect_refused(importer.resolve(0, 1, 1, form.flags).value()[0], ENODEV, form.name);
        for (const testexp_fill_mode mode :
             {TESTEXP_FILL_LOCKED, TESTEXP_FILL_SEQ_RETRY, TESTEXP_FILL_NAIVE})
            ksft::expect_eq(importer.fill({.mode = mode}).code(), ENODEV, "FILL");
    }
    /* A buffer that the core mapped at attach stays mapped. */
    if (kind.can_move() || !device().has(TESTEXP_FEAT_MAPS_AT_ATTACH))
        ksft::expect_eq(importer.map().code(), ENODEV, "map");
    if (kind.can_move()) {
        ksft::expect_eq(device().move(buffer.fd.get(), layout()).code(), ENODEV, "MOVE");
    }
    for (const std::uint32_t flags : {0U, static_cast<unsigned int>(dynamic)})
        ksft::expect_eq(device().attach(buffer.fd.get(), flags).code(),
                        kind.refuses_static() && !flags ? EOPNOTSUPP : ENODEV, "attach");
    ksft::expect_eq(importer.map_kernel().code(), ENODEV, "vmap");
    ksft::expect_eq(importer.audit().value().entries, 0, "entries");
}

void revoked(const Class& kind) {
    const Buffer buffer = create(kind);
    const Importer importer = device().attach(buffer.fd.get(), dynamic).value();

    ksft::expect_eq(importer.fill({.count = nr_pages}).code(), kind.code_of_get_pfn(), "FILL");
    ksft::expect_eq(importer.audit().value().entries, kind.has_pfns() ? nr_pages : 0,
                    "entries before");
    for (int times = 1; times <= 2; times++) {
        ksft::expect_eq(revoke(buffer), 0, "REVOKE");
        ksft::expect_eq(importer.audit().value().notifies, 1, "notifies");
        expect_all_refused(buffer, importer, kind);
    }
}

/* The buffer is revoked before the first importer hears of the revoke. */
void asked_in_callback(const Class& kind) {
    const Buffer buffer = create(kind);
    const Importer importer =
        device().attach(buffer.fd.get(), dynamic | TESTEXP_ATTACH_ASK).value();

    ksft::expect_eq(revoke(buffer), 0, "REVOKE");
    expect_refused(importer.audit().value().asked,
                   kind.has_pfns() ? ENODEV : kind.code_of_get_pfn(), "get_pfn in the callback");
}

void restored(const Class& kind) {
    Buffer buffer = create(kind);
    const Contents contents(buffer, layout());
    const Importer importer = device().attach(buffer.fd.get(), dynamic).value();
    const auto expect_truthful = [&](const Importer& asked, const std::string& when) {
        const Subject subject = make_subject(
            layout(), {Fd(fcntl(buffer.fd.get(), F_DUPFD_CLOEXEC, 0)), buffer.nr_pages});

        contents.expect_intact(when);
        if (kind.has_pfns())
            for (const Form& form : forms)
                expect_truth(asked, subject, form);
    };

    ksft::expect_eq(restore(buffer), 0, "RESTORE of a buffer that is not revoked");
    for (int times = 1; times <= 2; times++) {
        ksft::expect_eq(revoke(buffer), 0, "REVOKE");
        expect_all_refused(buffer, importer, kind);
        ksft::expect_eq(restore(buffer), 0, "RESTORE");
        ksft::expect_eq(importer.audit().value().notifies, times, "notifies");
        expect_truthful(importer, "after a restore");
        expect_truthful(device().attach(buffer.fd.get(), dynamic).value(), "for a new importer");
    }
    if (kind.can_move())
        ksft::expect_eq(device().move(buffer.fd.get(), layout()).code(), 0, "MOVE");
}

/* The importers of a static buffer are not notified, so it cannot be restored. */
void no_restore_of_static() {
    const Buffer buffer = create(classes[0]);
    const Importer importer = device().attach(buffer.fd.get()).value();

    ksft::expect_eq(revoke(buffer), 0, "REVOKE");
    ksft::expect_eq(restore(buffer), EINVAL, "RESTORE");
    expect_refused(importer.resolve(0, 1).value()[0], ENODEV, "get_pfn");
}

/*
 * A signal comes while REVOKE waits for the lock, which a move holds. REVOKE still revokes; then
 * the signal ends its wait for the importer's new fence.
 */
void revoked_despite_a_signal(const Class& kind) {
    until_seen([&] {
        const Buffer buffer = create(kind);
        const Importer importer =
            device().attach(buffer.fd.get(), dynamic | TESTEXP_ATTACH_FENCE).value();
        auto moved = in_thread([&] { return device().move(buffer.fd.get(), layout()).code(); });

        (void)wait_for(importer, POLLPRI, moved);

        Caller caller([&] { return revoke(buffer); });
        const bool seen = caller.wait_until_asleep() && happens(importer, POLLPRI);

        caller.interrupt();
        std::this_thread::sleep_for(limits::for_a_wrong_end);
        (void)importer.signal().value();
        ksft::expect_eq(moved.get(), 0, "MOVE");

        const int code = caller.result();

        if (seen)
            ksft::expect_eq(code, EINTR, "REVOKE, whose wait for the fence the signal ended");
        (void)importer.signal().value();
        ksft::expect_eq(device().attach(buffer.fd.get(), dynamic).code(), ENODEV, "attach");
        ksft::expect_eq(importer.audit().value().notifies, 2, "notifies, of MOVE and REVOKE");
        return seen;
    });
}

/*
 * An importer without a callback is not notified, so its table stays as it is. It is safe because
 * the pages still belong to the buffer: its pin prevents moves, a revoke does not free pages, and
 * the pages live until the importer is closed.
 */
void untold_importer(const Class& kind) {
    if (kind.can_move())
        require_pfns();
    require_attach_flags(kind.untold());

    const testexp_info before = device().read_info().value();
    {
        std::optional<Buffer> buffer = create(kind);
        std::optional<Contents> contents(std::in_place, *buffer, layout());
        const Importer importer = device().attach(buffer->fd.get(), kind.untold()).value();
        const auto expect_table = [&](std::uint64_t stale, const std::string& when) {
            const testexp_audit audit = importer.audit().value();
            const testexp_use use = importer.use(signature).value();

            ksft::expect_eq(audit.notifies, 0, "notifies " + when);
            ksft::expect_eq(audit.entries, nr_pages, "entries " + when);
            ksft::expect_eq(audit.stale, stale, "stale entries " + when);
            ksft::expect_eq(use.used, nr_pages, "used " + when);
            ksft::expect_eq(use.poisoned + use.wrong + use.gone, 0,
                            "pages without their signature " + when);
        };

        ksft::expect_eq(importer.fill({.count = nr_pages}).code(), 0, "FILL");
        expect_table(0, "before");
        if (kind.can_move()) {
            ksft::expect_eq(device().move(buffer->fd.get(), layout()).code(), EBUSY, "MOVE");
            expect_table(0, "after the refused move");
        }
        ksft::expect_eq(revoke(*buffer), 0, "REVOKE");
        expect_table(nr_pages, "after the revoke");
        ksft::expect_eq(importer.fill({.count = nr_pages}).code(), ENODEV, "FILL");
        expect_table(nr_pages, "after the refused FILL");
        if (kind.can_restore()) {
            ksft::expect_eq(restore(*buffer), 0, "RESTORE");
            expect_table(0, "after the restore");
            ksft::expect_eq(device().move(buffer->fd.get(), layout()).code(), EBUSY,
                            "MOVE after the restore");
            ksft::expect_eq(revoke(*buffer), 0, "REVOKE again");
        }
        contents.reset();
        buffer.reset();
        expect_table(nr_pages, "when only the importer is left");
    }
    const testexp_info after = device().read_info().value();

    ksft::expect_eq(after.used_pages, before.used_pages, "used_pages");
    ksft::expect_eq(after.poison_violations, before.poison_violations, "poison_violations");
}

/*
 * An importer that cannot be told does not keep the others from being told. Both kinds attach in
 * turn, so each kind is before and after the other in the core's list.
 */
void told_beside_untold(const Class& kind) {
    const Buffer buffer = create(kind);
    std::vector<Importer> told;
    std::vector<Importer> untold;

    for (int i = 0; i < 3; i++) {
        told.push_back(device().attach(buffer.fd.get(), dynamic).value());
        ksft::expect_eq(told.back().fill({.count = nr_pages}).code(), kind.code_of_get_pfn(),
                        "FILL");
        untold.push_back(device().attach(buffer.fd.get()).value());
    }
    ksft::expect_eq(revoke(buffer), 0, "REVOKE");
    for (const Importer& importer : told) {
        ksft::expect_eq(importer.audit().value().notifies, 1, "notifies of a dynamic importer");
        ksft::expect_eq(importer.audit().value().entries, 0, "entries of a dynamic importer");
    }
    for (const Importer& importer : untold)
        ksft::expect_eq(importer.audit().value().notifies, 0, "notifies of a static importer");
}

/* The kernel's own mapping keeps its pages as well, but a new mapping is refused. */
void kernel_mapping(const Class& kind) {
    const std::uint64_t used_before = device().read_info().value().used_pages;
    {
        const Buffer buffer = create(kind);
        const Contents contents(buffer, layout());
        const Importer other = device().attach(buffer.fd.get(), dynamic).value();
        {
            const Importer importer = device().attach(buffer.fd.get(), dynamic).value();

            ksft::expect_eq(importer.map_kernel().code(), 0, "vmap");
            if (kind.can_move())
                ksft::expect_eq(device().move(buffer.fd.get(), layout()).code(), EBUSY, "MOVE");
            ksft::expect_eq(revoke(buffer), 0, "REVOKE");
            for (const Importer* each : {&importer, &other})
                ksft::expect_eq(each->map_kernel().code(), ENODEV, "vmap after REVOKE");
        }
        ksft::expect_eq(other.map_kernel().code(), ENODEV, "vmap after the first vmap is gone");
        if (kind.can_restore()) {
            ksft::expect_eq(restore(buffer), 0, "RESTORE");
            if (kind.can_move())
                ksft::expect_eq(device().move(buffer.fd.get(), layout()).code(), 0, "MOVE");
            ksft::expect_eq(other.map_kernel().code(), 0, "vmap after RESTORE");
            contents.expect_intact("at the end");
        }
        if (device().has(TESTEXP_FEAT_MAP_LOCKED))
            ksft::expect_eq(device().stats(buffer.fd.get()).value().lock_violations, 0,
                            "callbacks without the reservation lock");
    }
    ksft::expect_eq(device().read_info().value().used_pages, used_before, "used_pages");
}

void revoke_then_close(const Class& kind, bool buffer_first) {
    const testexp_info before = device().read_info().value();
    {
        Result<Buffer> buffer = create(kind);
        Result<Importer> importer = device().attach(buffer.value().fd.get(), dynamic);

        (void)importer.value().fill({.count = nr_pages});
        ksft::expect_eq(revoke(buffer.value()), 0, "REVOKE");
        if (buffer_first)
            buffer.value().fd.reset();
        const Importer closed = std::move(importer).value();
    }
    const testexp_info after = device().read_info().value();

    ksft::expect_eq(after.nr_buffers, before.nr_buffers, "nr_buffers");
    ksft::expect_eq(after.nr_importers, before.nr_importers, "nr_importers");
    ksft::expect_eq(after.used_pages, before.used_pages, "used_pages");
}

/* --- P5 ------------------------------------------------------------------- */

/* The exporter's callbacks. An invalidation needs none of them. */
std::uint64_t callbacks(const testexp_stats& stats) {
    return stats.pins + stats.unpins + stats.maps + stats.unmaps + stats.attaches + stats.detaches +
           stats.get_pfns;
}

/*
 * An invalidation is counted, so its work does not grow with the pages: one pass over the CPU's
 * mappings, one callback for each importer that has one, and no callback of the exporter.
 */
void counted(const Class& kind, unsigned int nr_importers, std::uint64_t pages) {
    const Layout layout = Layout{}.ram(1, {.repeat = pages});
    const Buffer buffer =
        device()
            .create({.layout = layout, .flags = kind.create_flags | TESTEXP_CREATE_SCATTER})
            .value();
    const Contents contents(buffer, layout); /* maps the buffer and touches every page */
    std::vector<Importer> importers;
    std::uint64_t passes = 0, callbacks_before = 0;
    const auto expect_one_more = [&](std::uint64_t more, const std::string& what) {
        const testexp_stats stats = device().stats(buffer.fd.get()).value();

        passes += more;
        ksft::expect_eq(stats.invalidations, passes, "passes after " + what);
        ksft::expect_eq(callbacks(stats), callbacks_before, "exporter's callbacks by " + what);
        for (const Importer& importer : importers)
            ksft::expect_eq(importer.audit().value().notifies, passes, "notifies after " + what);
    };
    const auto fill_all = [&] {
        for (const Importer& importer : importers)
            ksft::expect_eq(importer.fill({.count = pages}).code(), kind.code_of_get_pfn(), "FILL");
        callbacks_before = callbacks(device().stats(buffer.fd.get()).value());
    };

    for (unsigned int i = 0; i < nr_importers; i++)
        importers.push_back(device().attach(buffer.fd.get(), dynamic).value());
    fill_all();
    if (kind.can_move()) {
        ksft::expect_eq(device().move(buffer.fd.get(), layout, TESTEXP_MOVE_SCATTER).code(), 0,
                        "MOVE");
        expect_one_more(1, "a move");
        ksft::expect_eq(device().move(buffer.fd.get(), Layout{}.hole(pages)).code(), EINVAL,
                        "MOVE to other types");
        expect_one_more(0, "a refused move");
        fill_all();
    }
    ksft::expect_eq(revoke(buffer), 0, "REVOKE");
    expect_one_more(1, "a revoke");
    ksft::expect_eq(revoke(buffer), 0, "REVOKE again");
    expect_one_more(0, "the second revoke");
    if (kind.can_restore()) {
        ksft::expect_eq(restore(buffer), 0, "RESTORE");
        fill_all();
        ksft::expect_eq(revoke(buffer), 0, "REVOKE after RESTORE");
        expect_one_more(1, "a revoke after a restore");
    }
}

bool same_counts(const testexp_stats& a, const testexp_stats& b) {
    return callbacks(a) == callbacks(b) && a.moves == b.moves && a.p2p_attaches == b.p2p_attaches &&
           a.invalidations == b.invalidations && a.lock_violations == b.lock_violations;
}

/* Other buffers and their importers are not affected. */
void others_left_alone(const Class& kind) {
    const Buffer buffer = create(kind);
    const Importer importer = device().attach(buffer.fd.get(), dynamic).value();
    const Buffer other = create(kind);
    const Contents contents(other, layout());
    const Importer bystander = device().attach(other.fd.get(), dynamic).value();
    const Mapping mapping = Mapping::map(other.fd.get(), nr_pages).value();
    const std::vector<std::uint64_t> pfns = pfns_behind(mapping);
    const std::uint64_t entries = kind.has_pfns() ? nr_pages : 0;

    ksft::expect_eq(bystander.fill({.count = nr_pages}).code(), kind.code_of_get_pfn(), "FILL");

    const testexp_stats before = device().stats(other.fd.get()).value();

    if (kind.can_move())
        ksft::expect_eq(device().move(buffer.fd.get(), layout()).code(), 0, "MOVE");
    ksft::expect_eq(revoke(buffer), 0, "REVOKE");
    ksft::expect(same_counts(device().stats(other.fd.get()).value(), before),
                 "STATS of the other buffer");

    const testexp_audit audit = bystander.audit().value();

    ksft::expect_eq(audit.notifies, 0, "notifies");
    ksft::expect_eq(audit.entries, entries, "entries");
    ksft::expect_eq(audit.stale, 0, "stale entries");
    ksft::expect_eq(bystander.map().code(), 0, "MAP");
    if (device().has(TESTEXP_FEAT_WALK))
        for (const testexp_walked& page : device().walk(mapping.bytes().data(), nr_pages).value())
            ksft::expect(page.error == 0, "the page is still mapped");
    ksft::expect(pfns_behind(mapping) == pfns, "the pages are the same");
    contents.expect_intact("at the end");
}

/* A revoke ends when the importers are done, not when they have been notified. */
void fence_delays_revoke(const Class& kind) {
    until_seen([&kind] {
        const Buffer buffer = create(kind);
        const Contents contents(buffer, layout());
        const Importer importer =
            device().attach(buffer.fd.get(), dynamic | TESTEXP_ATTACH_FENCE).value();
        const std::uint64_t entries = kind.has_pfns() ? nr_pages : 0;

        ksft::expect_eq(importer.fill({.count = nr_pages}).code(), kind.code_of_get_pfn(), "FILL");
        auto done = in_thread([&] { return revoke(buffer); });

        (void)wait_for(importer, POLLPRI, done);

        const testexp_use use = importer.use(signature).value();
        const bool waits = still_running(done);
        const bool seen = importer.signal().value();

        if (seen) {
            ksft::expect_eq(use.used, entries, "used before the fence");
            ksft::expect_eq(use.poisoned + use.wrong + use.gone, 0, "wrong pages before the fence");
            ksft::expect(waits, "the revoke waits for the fence");
        }
        ksft::expect_eq(done.get(), 0, "REVOKE");
        ksft::expect_eq(importer.audit().value().entries, 0, "entries after the fence");
        return seen;
    });
}

void require_unmapping() {
    REQUIRE(device().has(TESTEXP_FEAT_REVOKE_UNMAPS),
            "before 7.1 importers need not unmap what is revoked");
}

/* A revoke ends when the importers have unmapped, and the unmap wakes the revoke. */
void mapping_delays_revoke(const Class& kind) {
    require_unmapping();
    until_seen([&kind] {
        const Buffer buffer = create(kind);
        const Importer importer = device().attach(buffer.fd.get(), dynamic).value();
        const Pause pause;
        HeldMapping mapping(importer);
        auto done = in_thread([&] { return revoke(buffer); });
        const bool waits = still_running(done);
        const bool seen = mapping.is_held();

        mapping.release();
        ksft::expect_eq(done.get(), 0, "REVOKE");
        if (seen)
            ksft::expect(waits, "the revoke waits for the unmap");
        return seen && pause.lasts();
    });
}

/* An importer that keeps a mapping is told of the revoke, and unmaps. */
void kept_mapping_ends(const Class& kind, testexp_path path) {
    require_unmapping();

    const Buffer buffer = create(kind);
    const Importer importer = device().attach(buffer.fd.get(), dynamic).value();
    Caller caller([&] {
        return importer
            .measure({.path = path, .nr_pages = nr_pages, .batches = ~std::uint64_t{0} >> 16})
            .code();
    });

    while (device().stats(buffer.fd.get()).value().maps == 0 && !caller.has_ended())
        sched_yield();
    ksft::expect_eq(revoke(buffer), 0, "REVOKE");

    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.unmaps, stats.maps, "unmaps when REVOKE returns, against maps");
    caller.interrupt(); /* a MEASURE that goes on would go on for ever */
    ksft::expect_eq(caller.result(), ENODEV, "MEASURE");
}

/* What two revokes, one after the other, wait for. */
struct Delay {
    std::function<bool()> lasts;
    std::function<void()> end;
};

/*
 * A signal ends the wait of a revoke. Another revoke changes nothing, but waits again. Returns
 * whether the delay lasted until both had been seen.
 */
bool revoke_waits_again(const Buffer& buffer, const Importer& importer, const Delay& delay) {
    Caller first([&] { return revoke(buffer); });
    const bool asleep = first.wait_until_asleep();

    first.interrupt();

    const int code = first.result();
    auto again = in_thread([&] { return revoke(buffer); });
    const bool waits = still_running(again);
    const bool seen = asleep && delay.lasts();

    delay.end();
    ksft::expect_eq(again.get(), 0, "REVOKE again");
    ksft::expect_eq(importer.audit().value().notifies, 1, "notifies");
    if (seen) {
        ksft::expect_eq(code, EINTR, "REVOKE, whose wait the signal ended");
        ksft::expect(waits, "the second revoke waits as well");
    }
    return seen;
}

void waits_again_for_the_fence(const Class& kind) {
    until_seen([&kind] {
        const Buffer buffer = create(kind);
        const Importer importer =
            device().attach(buffer.fd.get(), dynamic | TESTEXP_ATTACH_FENCE).value();

        return revoke_waits_again(buffer, importer,
                                  {.lasts = [&] { return happens(importer, POLLPRI); },
                                   .end = [&] { (void)importer.signal().value(); }});
    });
}

void waits_again_for_the_unmap(const Class& kind) {
    require_unmapping();
    until_seen([&kind] {
        const Buffer buffer = create(kind);
        const Importer importer = device().attach(buffer.fd.get(), dynamic).value();
        HeldMapping mapping(importer);

        return revoke_waits_again(
            buffer, importer,
            {.lasts = [&] { return mapping.is_held(); }, .end = [&] { mapping.release(); }});
    });
}

/* No revoke waits for an importer that is not told, because it may stay mapped for ever. */
void untold_mapping_delays_nobody(const Class& kind, std::uint32_t attach_flags) {
    require_unmapping();
    require_attach_flags(attach_flags);
    until_seen([&kind, attach_flags] {
        const Buffer buffer = create(kind);
        const Importer importer = device().attach(buffer.fd.get(), attach_flags).value();
        HeldMapping mapping(importer);

        ksft::expect_eq(revoke(buffer), 0, "REVOKE");

        const bool revoked_while_mapped = mapping.is_held();

        mapping.release();
        return revoked_while_mapped;
    });
}

/* --- P6 ------------------------------------------------------------------- */

/*
 * The revoke comes after attach's check and before the attachment is in the list, so nobody
 * notifies the importer. Returns whether the revoke has woken the attach.
 */
bool attaches_late(const Class& kind, const Form& form) {
    const bool has_no_device = device().has(TESTEXP_FEAT_NO_DEVICE);
    const bool core_maps =
        !kind.can_move() && !has_no_device && device().has(TESTEXP_FEAT_MAPS_AT_ATTACH);
    const std::uint32_t flags =
        dynamic | (kind.can_move() || !has_no_device ? 0U : TESTEXP_ATTACH_NO_DEVICE);
    const Buffer buffer = create(kind, TESTEXP_INJECT_LATE_ATTACH);
    const Pause pause;
    auto attached = in_thread([&] { return device().attach(buffer.fd.get(), flags); });

    while (device().stats(buffer.fd.get()).value().attaches == 0 && is_running(attached))
        sched_yield();
    ksft::expect_eq(revoke(buffer), 0, "REVOKE");
    attached.wait();

    const bool woken = pause.lasts();

    if (core_maps) {
        /* In this case the buffer refuses map before attach ends. */
        ksft::expect_eq(attached.get().code(), ENODEV, "attach");
        ksft::expect_eq(device().stats(buffer.fd.get()).value().detaches, 1, "detaches");
        return woken;
    }

    const Importer importer = attached.get().value();

    ksft::expect_eq(importer.audit().value().notifies, 0, "notifies");
    if (kind.has_pfns()) {
        expect_refused(importer.resolve(0, 1, 1, form.flags).value()[0], ENODEV, "first get_pfn");
        ksft::expect_eq(importer.fill({}).code(), ENODEV, "FILL");
    }
    if (kind.can_move() || !device().has(TESTEXP_FEAT_MAPS_AT_ATTACH))
        ksft::expect_eq(importer.map().code(), flags & TESTEXP_ATTACH_NO_DEVICE ? EINVAL : ENODEV,
                        "map");

    /* The attachment is in the list, so the next revoke notifies it. */
    ksft::expect_eq(restore(buffer), 0, "RESTORE");
    ksft::expect_eq(importer.fill({}).code(), kind.code_of_get_pfn(), "FILL after RESTORE");
    ksft::expect_eq(revoke(buffer), 0, "REVOKE again");
    ksft::expect_eq(importer.audit().value().notifies, 1, "notifies after the second REVOKE");
    ksft::expect_eq(importer.audit().value().entries, 0, "entries after the second REVOKE");
    return woken;
}

void late_attach(const Class& kind, const Form& form) {
    until_seen([&] { return attaches_late(kind, form); });
}

/* --- P16 ------------------------------------------------------------------ */

void cpu_mappings(const Class& kind) {
    const Buffer buffer = create(kind);
    const Contents contents(buffer, layout());
    const Mapping touched = Mapping::map(buffer.fd.get(), nr_pages).value();
    const Mapping untouched = Mapping::map(buffer.fd.get(), nr_pages).value();
    const auto expect_signal = [](const Mapping& mapping, int signal, const std::string& what) {
        for (const std::uint64_t pgoff : {std::uint64_t{0}, nr_pages - 1})
            ksft::expect_eq(signal_of_reading(mapping.bytes().data() + pgoff * page_bytes()),
                            signal, what + ", page " + std::to_string(pgoff) + ": signal");
    };

    contents.expect_intact("before");
    /* In this process, because a child has a page table of its own. */
    touch(touched.bytes().front());
    touch(touched.bytes().back());
    expect_signal(touched, 0, "before");
    ksft::expect_eq(revoke(buffer), 0, "REVOKE");
    expect_signal(touched, SIGBUS, "a mapping with pages in it");
    expect_signal(untouched, SIGBUS, "a mapping without");
    expect_signal(Mapping::map(buffer.fd.get(), nr_pages).value(), SIGBUS, "a new mapping");

    if (kind.can_restore()) {
        ksft::expect_eq(restore(buffer), 0, "RESTORE");
        contents.expect_intact("after the restore");
        expect_signal(touched, 0, "after the restore");
    }
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Class& kind : classes) {
        const std::string buffer = std::string("[buffer=") + kind.name;

        for (const std::uint32_t flags : {0U, static_cast<unsigned int>(dynamic)})
            plan.add("P3.importer_class" + buffer +
                         (flags ? ",importer=dynamic]" : ",importer=static]"),
                     [&, flags] { importer_class(kind, flags); });
        plan.add("P4.revoked" + buffer + "]", [&] { revoked(kind); });
        plan.add("P4.asked_in_callback" + buffer + "]", [&] { asked_in_callback(kind); });
        if (kind.can_restore())
            plan.add("P4.restored" + buffer + "]", [&] { restored(kind); });
        if (kind.can_move())
            plan.add("P4.revoked_despite_a_signal" + buffer + "]",
                     [&] { revoked_despite_a_signal(kind); });
        plan.add("P4.revoke_then_close" + buffer + ",first=buffer]",
                 [&] { revoke_then_close(kind, true); });
        plan.add("P4.revoke_then_close" + buffer + ",first=importer]",
                 [&] { revoke_then_close(kind, false); });
        plan.add("P4.kernel_mapping" + buffer + "]", [&] { kernel_mapping(kind); });
        if (!kind.refuses_static()) {
            plan.add("P4.untold_importer" + buffer + "]", [&] { untold_importer(kind); });
            plan.add("P4.told_beside_untold" + buffer + "]", [&] { told_beside_untold(kind); });
        }
        /*
         * Each importer may map at attach, and DMA-API debugging warns about more than 7 mappings
         * of a page.
         */
        for (const unsigned int importers : {0U, 1U, 6U})
            for (const std::uint64_t pages : {std::uint64_t{1}, std::uint64_t{1024}})
                plan.add("P5.counted" + buffer + ",importers=" + std::to_string(importers) +
                             ",pages=" + std::to_string(pages) + "]",
                         [&, importers, pages] { counted(kind, importers, pages); });
        plan.add("P5.others_left_alone" + buffer + "]", [&] { others_left_alone(kind); });
        plan.add("P5.fence_delays_revoke" + buffer + "]", [&] { fence_delays_revoke(kind); });
        plan.add("P5.mapping_delays_revoke" + buffer + "]", [&] { mapping_delays_revoke(kind); });
        plan.add("P5.revoke_waits_again" + buffer + ",for=fence]",
                 [&] { waits_again_for_the_fence(kind); });
        plan.add("P5.revoke_waits_again" + buffer + ",for=unmap]",
                 [&] { waits_again_for_the_unmap(kind); });
        for (const testexp_path path : {TESTEXP_PATH_SGT_CACHED, TESTEXP_PATH_SGT_DMA_TO_PHYS})
            plan.add("P5.kept_mapping_ends" + buffer + ",path=" + path_row(path).name + "]",
                     [&, path] { kept_mapping_ends(kind, path); });
        if (kind.can_restore())
            for (const Form& form : forms)
                plan.add("P6.late_attach" + buffer + ",form=" + form.name + "]",
                         [&] { late_attach(kind, form); });
        plan.add("P16.cpu_mappings" + buffer + "]", [&] { cpu_mappings(kind); });
    }
    plan.add("P4.no_restore[buffer=static]", no_restore_of_static);
    plan.add("P3.pinned_is_revoked[by=core]", [] { pinned_is_revoked(0); });
    plan.add("P3.pinned_is_revoked[by=importer]",
             [] { pinned_is_revoked(dynamic | TESTEXP_ATTACH_PIN); });
    plan.add("P3.pinned_is_revoked[by=importer_without_callback]",
             [] { pinned_is_revoked(dynamic | TESTEXP_ATTACH_NO_NOTIFY | TESTEXP_ATTACH_PIN); });
    plan.add("P5.untold_mapping_delays_nobody",
             [] { untold_mapping_delays_nobody(classes[0], 0); });
    plan.add("P5.untold_mapping_delays_nobody[importer=without_callback]",
             [] { untold_mapping_delays_nobody(classes[0], dynamic | TESTEXP_ATTACH_NO_NOTIFY); });
    plan.add("P5.untold_mapping_delays_nobody[importer=pinning_without_callback]", [] {
        untold_mapping_delays_nobody({"dynamic", TESTEXP_CREATE_DYNAMIC},
                                     dynamic | TESTEXP_ATTACH_NO_NOTIFY | TESTEXP_ATTACH_PIN);
    });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
