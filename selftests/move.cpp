// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: a PFN is good under the reservation lock, while the buffer is pinned, and until
 * move_notify if the importer checks a sequence count (P1). After the callback and its fences no
 * importer uses an old page, which then holds poison (P2). A fence delays the move, but not for
 * ever (P5). A move without importers works as well (P21). The exporter's pages belong to nobody
 * else (P22).
 *
 * Method: a FILL pauses between resolve and install while the buffer moves; signatures and counters
 * in the pages; the CPU's page table and kpagecount.
 *
 * Does not see: faults that need many moves; see move_storm.
 */
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <set>
#include <thread>

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "child.hpp"
#include "lifetime.hpp"
#include "waiting.hpp"

using namespace testexp;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t dynamic = TESTEXP_ATTACH_DYNAMIC;
constexpr std::uint32_t fenced = TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_FENCE;

/* Layouts of 16 pages to move between. A layout with repeats is created with SCATTER. */
Layout one_block() {
    return Layout{}.ram(16, {.align_order = 4});
}
Layout skewed() {
    return Layout{}.ram(16, {.align_order = 3, .skew = 3});
}
Layout single_pages() {
    return Layout{}.ram(1, {.repeat = 16});
}

/* The same type for each page, in other extents. */
Layout mixed() {
    return Layout{}.ram(6).hole(3).priv(2).ram(5);
}
Layout mixed_singles() {
    return Layout{}.ram(1, {.repeat = 6}).hole(1).hole(2).priv(2).ram(4).ram(1);
}

struct Ways {
    const char* name;
    Layout from;
    Layout to;
};

std::vector<Ways> ways() {
    return {
        {"from=block,to=block", one_block(), one_block()},
        {"from=block,to=singles", one_block(), single_pages()},
        {"from=singles,to=block", single_pages(), one_block()},
        {"from=block,to=skewed", one_block(), skewed()},
        {"from=mixed,to=mixed_singles", mixed(), mixed_singles()},
    };
}

Buffer create_movable(const Layout& layout, std::uint32_t more_flags = 0) {
    return device()
        .create({.layout = layout,
                 .flags = TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_SCATTER |
                          reference_flags(layout) | more_flags})
        .value();
}

int move(const Buffer& buffer, const Layout& to, std::uint32_t timeout_ms = 0) {
    return device().move(buffer.fd.get(), to, TESTEXP_MOVE_SCATTER, timeout_ms).code();
}

/* Reads where the pages are now. The subject has a descriptor of its own. */
Subject look_at(const Buffer& buffer, const Layout& layout) {
    return make_subject(layout, {Fd(fcntl(buffer.fd.get(), F_DUPFD_CLOEXEC, 0)), buffer.nr_pages});
}

std::set<std::uint64_t> pfns_of(const Subject& subject) {
    std::set<std::uint64_t> pfns;

    for (const Page& page : subject.oracle.pages())
        if (page.type == TESTEXP_EXTENT_RAM)
            pfns.insert(page.pfn);
    return pfns;
}

bool disjoint(const std::set<std::uint64_t>& a, const std::set<std::uint64_t>& b) {
    return std::none_of(a.begin(), a.end(), [&](std::uint64_t pfn) { return b.count(pfn) != 0; });
}

/* P21 and the effect of a move: other pages with the same bytes, also through an old mapping. */
void move_alone(const Ways& ways) {
    const std::uint64_t used_before = device().read_info().value().used_pages;
    const std::uint64_t violations = poison_violations();
    {
        const Buffer buffer = create_movable(ways.from);
        const Contents contents(buffer, ways.from);
        const auto old_pfns = pfns_of(look_at(buffer, ways.from));

        ksft::expect_eq(move(buffer, ways.to), 0, "MOVE");
        contents.expect_intact("after the move");
        ksft::expect(disjoint(old_pfns, pfns_of(look_at(buffer, ways.to))),
                     "all pages are different");
        ksft::expect_eq(move(buffer, ways.from), 0, "MOVE back");
        contents.expect_intact("after moving back");
        ksft::expect_eq(device().stats(buffer.fd.get()).value().moves, 2, "moves");
    }
    ksft::expect_eq(device().read_info().value().used_pages, used_before, "used_pages after");
    ksft::expect_eq(poison_violations(), violations, "poison_violations");
}

/* After a move get_pfn gives the new pages, with the right orders. */
void truth_after_move(const Ways& ways, const Form& form) {
    require_pfns();

    const Buffer buffer = create_movable(ways.from);
    const Importer importer = device().attach(buffer.fd.get(), dynamic).value();

    expect_truth(importer, look_at(buffer, ways.from), form);
    ksft::expect_eq(move(buffer, ways.to), 0, "MOVE");
    expect_truth(importer, look_at(buffer, ways.to), form);
    ksft::expect_eq(importer.audit().value().notifies, 1, "notifies");
}

/* --- P1: a move between resolve and install ------------------------------- */

constexpr std::uint64_t filled = 4;

/* An importer whose FILL of the first pages pauses after its first resolve. */
struct Paused {
    Buffer buffer = create_movable(one_block());
    Contents contents = Contents(buffer, one_block());
    Importer importer = device().attach(buffer.fd.get(), dynamic).value();
    std::future<testexp_fill> fill;
    bool seen; /* false: the pause ended before the test looked for it */

    Paused(testexp_fill_mode mode, std::uint32_t pause) {
        fill = in_thread([this, mode, pause] {
            return importer.fill({.mode = mode, .count = filled, .pause_ms = pause}).value();
        });
        seen = wait_for(importer, POLLIN, fill);
    }
};

/*
 * The lock delays the move until the PFN is in the table; then the move drops the entry. The pause
 * is long enough for a move that the lock does not delay.
 */
void paused_locked() {
    require_pfns();
    until_seen([] {
        Paused paused(TESTEXP_FILL_LOCKED, limits::pause_ms);
        auto moved = in_thread([&] { return move(paused.buffer, single_pages()); });
        const testexp_fill fill = paused.fill.get();

        ksft::expect_eq(fill.notified, 0, "move_notify between resolve and install");
        ksft::expect_eq(fill.installed, filled, "installed");
        ksft::expect_eq(moved.get(), 0, "MOVE");
        ksft::expect_eq(paused.importer.audit().value().stale, 0, "stale entries");
        ksft::expect_eq(paused.importer.audit().value().notifies, 1, "notifies");
        return paused.seen;
    });
}

/* The count has changed, so the importer drops what it resolved and resolves again. */
void paused_seq_retry() {
    require_pfns();

    Paused paused(TESTEXP_FILL_SEQ_RETRY, TESTEXP_WAIT_MS);

    ksft::expect_eq(move(paused.buffer, single_pages()), 0, "MOVE");

    const testexp_fill fill = paused.fill.get();
    const testexp_audit audit = paused.importer.audit().value();
    const testexp_use use = paused.importer.use(signature).value();

    ksft::expect_eq(fill.notified, 1, "move_notify between resolve and install");
    ksft::expect_eq(fill.retries, 1, "retries");
    ksft::expect_eq(audit.entries, filled, "entries");
    ksft::expect_eq(audit.stale, 0, "stale entries");
    ksft::expect_eq(use.used, filled, "used");
    ksft::expect_eq(use.poisoned + use.wrong + use.gone, 0, "pages without their signature");
}

/* The negative control: every check finds the stale PFN of this importer. */
void paused_naive() {
    require_pfns();

    const std::uint64_t violations = poison_violations();
    Paused paused(TESTEXP_FILL_NAIVE, TESTEXP_WAIT_MS);

    ksft::expect_eq(move(paused.buffer, single_pages()), 0, "MOVE");

    const testexp_fill fill = paused.fill.get();
    const testexp_audit audit = paused.importer.audit().value();
    const testexp_use use = paused.importer.use(signature).value();

    ksft::expect_eq(fill.notified, 1, "move_notify between resolve and install");
    ksft::expect_eq(audit.entries, filled, "entries");
    ksft::expect_eq(audit.stale, 1, "stale entries: the page of the pause");
    ksft::expect_eq(use.poisoned, 1, "pages that read as poison");

    (void)paused.importer.use(signature, TESTEXP_USE_WRITE).value();
    ksft::expect_eq(move(paused.buffer, one_block()), 0, "MOVE again");
    ksft::expect_eq(poison_violations(), violations + 1, "poison_violations after a stale write");
    ksft::expect_eq(paused.contents.sum(word_of_importers), filled - 1, "writes that arrived");
    ksft::expect_eq(paused.importer.audit().value().entries, 0, "entries after the second move");
}

/*
 * Each importer writes to one page that the buffer has left. Every such page counts, also in one
 * run, and wherever the write is in the page.
 */
void stale_writes_counted(std::uint64_t importers, std::uint32_t use_flags) {
    require_pfns();
    until_seen([=] {
        const std::uint64_t violations = poison_violations();
        const Buffer buffer = create_movable(one_block());
        std::vector<Importer> writers;
        std::vector<std::future<testexp_fill>> fills;
        bool seen = true;

        for (std::uint64_t pgoff = 0; pgoff < importers; pgoff++)
            writers.push_back(device().attach(buffer.fd.get(), dynamic).value());
        for (std::uint64_t pgoff = 0; pgoff < importers; pgoff++) {
            fills.push_back(in_thread([&importer = writers[pgoff], pgoff] {
                return importer
                    .fill({.mode = TESTEXP_FILL_NAIVE, .pgoff = pgoff, .pause_ms = TESTEXP_WAIT_MS})
                    .value();
            }));
            (void)wait_for(writers[pgoff], POLLIN, fills.back());
        }
        ksft::expect_eq(move(buffer, single_pages()), 0, "MOVE");
        for (std::future<testexp_fill>& fill : fills)
            seen = fill.get().notified == 1 && seen;
        for (const Importer& importer : writers)
            (void)importer.use(signature, use_flags).value();
        ksft::expect_eq(move(buffer, one_block()), 0, "MOVE again");
        if (seen)
            ksft::expect_eq(poison_violations(), violations + importers, "poison_violations");
        return seen;
    });
}

/* poll() tells of a pause as long as the pause lasts, and not afterwards. */
void pause_is_over() {
    require_pfns();

    Paused paused(TESTEXP_FILL_NAIVE, TESTEXP_WAIT_MS);

    ksft::expect_eq(move(paused.buffer, single_pages()), 0, "MOVE");
    (void)paused.fill.get();
    ksft::expect(!happens(paused.importer, POLLIN), "no FILL pauses any more");
}

/*
 * move_notify ends a pause. A second pause began earlier and has the same length. The second
 * pause still lasts when the first has ended; without move_notify the second pause would end first.
 */
void notify_ends_the_pause() {
    require_pfns();
    until_seen([] {
        const auto start = Clock::now();
        Paused other(TESTEXP_FILL_NAIVE, TESTEXP_WAIT_MS);
        Paused paused(TESTEXP_FILL_NAIVE, TESTEXP_WAIT_MS);

        ksft::expect_eq(move(paused.buffer, single_pages()), 0, "MOVE");
        (void)paused.fill.get();

        const bool other_lasts = other.seen && happens(other.importer, POLLIN);

        /* A pause that ends within half of its time did not end by itself. */
        if (other.seen && !other_lasts &&
            Clock::now() - start < std::chrono::milliseconds(TESTEXP_WAIT_MS) / 2)
            ksft::fail("the MOVE of one buffer ended the pause of another buffer");
        ksft::expect_eq(move(other.buffer, single_pages()), 0, "MOVE of the other buffer");
        (void)other.fill.get();
        return paused.seen && other_lasts;
    });
}

/* FILL counts notifications between resolve and install, but none that came before this FILL. */
void fill_after_moves(testexp_fill_mode mode) {
    require_pfns();

    const Buffer buffer = create_movable(one_block());
    const Importer importer = device().attach(buffer.fd.get(), dynamic).value();

    for (const Layout& layout : {single_pages(), one_block()})
        ksft::expect_eq(move(buffer, layout), 0, "MOVE");

    const testexp_fill fill = importer.fill({.mode = mode, .count = filled}).value();

    ksft::expect_eq(fill.installed, filled, "installed");
    ksft::expect_eq(fill.retries, 0, "retries");
    ksft::expect_eq(fill.notified, 0, "move_notify between resolve and install");
    ksft::expect_eq(importer.audit().value().notifies, 2, "notifies");
}

/* A thread that sleeps in poll() is woken when the event comes; nothing else ends this poll(). */
void poll_wakes(short event) {
    if (event == POLLIN)
        require_pfns();

    const Buffer buffer = create_movable(one_block());
    const Importer importer = device().attach(buffer.fd.get(), fenced).value();
    const auto polled = in_thread(
        [&] { return happens(importer, event, std::chrono::milliseconds(-1) /* for ever */); });

    (void)still_running(polled); /* gives it the time to fall asleep */
    if (event == POLLIN)
        (void)importer.fill({.mode = TESTEXP_FILL_NAIVE, .pause_ms = limits::pause_ms}).value();
    else
        ksft::expect_eq(move(buffer, single_pages()), 0, "MOVE");
    polled.wait();
}

void move_while_mapped() {
    until_seen([] {
        const Buffer buffer = create_movable(one_block());
        const Importer importer = device().attach(buffer.fd.get(), dynamic).value();
        HeldMapping mapping(importer);
        const testexp_stats stats = device().stats(buffer.fd.get()).value();
        const int code = move(buffer, one_block());
        const bool seen = mapping.is_held();

        mapping.release();
        if (!seen)
            return false;
        ksft::expect_eq(stats.maps, stats.unmaps + 1, "maps, against unmaps");
        ksft::expect_eq(code, EBUSY, "MOVE of what is mapped");
        ksft::expect_eq(move(buffer, one_block()), 0, "MOVE of what is mapped no more");
        return true;
    });
}

/* --- What AUDIT compares -------------------------------------------------- */

/* SYNTHETIC PFNs: a move can keep some of them and change the rest. */
struct Change {
    const char* name;
    Layout from;
    Layout to; /* without extents: a revoke instead of a move */
    std::uint64_t stale;
};

/* No machine has so much memory. The order of the first page is 40. */
constexpr std::uint64_t far_pfn = std::uint64_t{1} << 51;
constexpr std::uint64_t far_pages = std::uint64_t{1} << 40;

std::vector<Change> changes() {
    const Layout far = Layout{}.synthetic(far_pfn, far_pages);
    const Layout far_halves =
        Layout{}.synthetic(far_pfn, far_pages / 2).synthetic(far_pfn / 2, far_pages / 2);
    const Layout block = Layout{}.synthetic(0x1000, 16);
    const Layout same_pfn_alone = Layout{}.synthetic(0x1000, 1).synthetic(0x9001, 15);

    return {
        {"nothing", block, block, 0},
        {"pfn", block, Layout{}.synthetic(0x2000, 16), 1},
        {"order_smaller", block, same_pfn_alone, 1},
        {"order_larger", same_pfn_alone, block, 0},
        {"no_pfn", block, {}, 1},
        {"nothing_far", far, far, 0},
        {"pfn_far", far, Layout{}.synthetic(far_pfn + (std::uint64_t{1} << 50), far_pages), 1},
        {"order_40_to_39", far, far_halves, 1},
    };
}

/*
 * The naive importer installs an entry from before the change, and AUDIT reports what is wrong with
 * the entry.
 */
void audited(const Change& change) {
    require_pfns();
    until_seen([&change] {
        const Buffer buffer =
            device().create({.layout = change.from, .flags = TESTEXP_CREATE_DYNAMIC}).value();
        const Importer importer = device().attach(buffer.fd.get(), dynamic).value();
        auto filled = in_thread([&] {
            return importer.fill({.mode = TESTEXP_FILL_NAIVE, .pause_ms = TESTEXP_WAIT_MS}).value();
        });
        const bool paused = wait_for(importer, POLLIN, filled);

        if (change.to.extents.empty())
            ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "REVOKE");
        else
            ksft::expect_eq(device().move(buffer.fd.get(), change.to).code(), 0, "MOVE");
        if (filled.get().notified == 0 || !paused)
            return false;

        const testexp_audit audit = importer.audit().value();

        ksft::expect_eq(audit.entries, 1, "entries");
        ksft::expect_eq(audit.stale, change.stale, "stale entries");
        ksft::expect_eq(audit.notifies, 1, "notifies");
        return true;
    });
}

/* --- What FILL and USE leave alone ---------------------------------------- */

/* The pages before the error are in the table, and none behind it. */
void fill_stops_at_an_error(testexp_fill_mode mode) {
    const Buffer buffer = device().create({.layout = Layout{}.ram(2).hole(1).ram(1)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    ksft::expect_eq(importer.fill({.mode = mode, .count = 4}).code(), ENXIO, "FILL over a hole");
    ksft::expect_eq(importer.audit().value().entries, 2, "entries");
    ksft::expect_eq(importer.fill({.mode = mode, .count = 1, .pgoff = 3}).code(), 0,
                    "FILL behind the hole");
    ksft::expect_eq(importer.audit().value().entries, 3, "entries then");
}

/*
 * USE counts each page by its type. Only WRITE changes the second word of a page, only WRITE_LAST
 * its last byte, and nothing changes the rest.
 */
void use_counts() {
    constexpr std::uint64_t nr_pages = 16;
    const Buffer buffer = device().create({.layout = one_block()}).value();
    const Contents contents(buffer, one_block());
    const Mapping mapping = Mapping::map(buffer.fd.get(), nr_pages).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    std::vector<std::byte> expected(mapping.bytes().begin(), mapping.bytes().end());
    const auto expect = [&](const testexp_use& use, std::uint64_t wrong, const std::string& what) {
        ksft::expect_eq(use.used, nr_pages, "used, " + what);
        ksft::expect_eq(use.wrong, wrong, "wrong, " + what);
        ksft::expect_eq(use.poisoned + use.gone, 0, "poisoned and gone, " + what);
        ksft::expect(std::ranges::equal(expected, mapping.bytes()), "the bytes, " + what);
    };

    ksft::expect_eq(importer.fill({.count = nr_pages}).code(), 0, "FILL");
    expect(importer.use(signature).value(), 0, "reading");
    expect(importer.use(signature + 1).value(), nr_pages, "with another signature");
    for (std::uint64_t pgoff = 0; pgoff < nr_pages; pgoff++)
        expected[pgoff * page_bytes() + sizeof(std::uint64_t)] = std::byte{1};
    expect(importer.use(signature, TESTEXP_USE_WRITE).value(), 0, "writing");
    for (std::uint64_t pgoff = 1; pgoff <= nr_pages; pgoff++)
        expected[pgoff * page_bytes() - 1] = std::byte{1};
    expect(importer.use(signature, TESTEXP_USE_WRITE_LAST).value(), 0, "writing the last byte");
    expect(importer.use(signature).value(), 0, "reading again");
}

/*
 * USE counts an entry as gone when its page is not RAM. USE does not access such a page, because no
 * memory belongs to a PFN of type SYNTHETIC.
 */
void use_of_what_is_gone() {
    const Buffer buffer =
        device().create({.layout = Layout{}.synthetic(std::uint64_t{1} << 40, 4).ram(1)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    ksft::expect_eq(importer.fill({.count = 5}).code(), 0, "FILL");
    for (const std::uint32_t flags : {0U, TESTEXP_USE_WRITE}) {
        const testexp_use use = importer.use(0, flags).value();

        ksft::expect_eq(use.used, 5, "used");
        ksft::expect_eq(use.gone, 4, "gone");
        /* The page of RAM is all zeros: no signature. */
        ksft::expect_eq(use.wrong, 1, "wrong");
        ksft::expect_eq(use.poisoned, 0, "poisoned");
    }
}

/* --- P2: what move_notify leaves ------------------------------------------ */

void dropped(testexp_fill_mode mode) {
    require_pfns();

    const std::uint64_t violations = poison_violations();
    {
        const Buffer buffer = create_movable(one_block());
        const Contents contents(buffer, one_block());
        const Importer importer = device().attach(buffer.fd.get(), dynamic).value();

        for (std::uint64_t round = 1; round <= 3; round++) {
            ksft::expect_eq(importer.fill({.mode = mode, .count = 16}).value().installed, 16,
                            "installed");

            const testexp_use use = importer.use(signature, TESTEXP_USE_WRITE).value();

            ksft::expect_eq(use.used, 16, "used");
            ksft::expect_eq(use.poisoned + use.wrong + use.gone, 0, "wrong pages");
            ksft::expect_eq(importer.audit().value().stale, 0, "stale before the move");
            ksft::expect_eq(move(buffer, round % 2 ? single_pages() : one_block()), 0, "MOVE");

            const testexp_audit audit = importer.audit().value();

            ksft::expect_eq(audit.entries, 0, "entries after the move");
            ksft::expect_eq(audit.notifies, round, "notifies");
            ksft::expect_eq(contents.sum(word_of_importers), 16 * round, "writes that arrived");
        }
        contents.expect_intact("after three moves");
    }
    ksft::expect_eq(poison_violations(), violations, "poison_violations");
}

/* Every importer of the buffer is notified, in whatever order they attached. */
void all_are_told(std::uint32_t attach_flags) {
    require_pfns();
    if (attach_flags & TESTEXP_ATTACH_NO_DEVICE)
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
                "the stock kernel refuses device-less importers");

    const Buffer buffer = create_movable(one_block());
    std::vector<Importer> importers;

    for (int i = 0; i < 3; i++) {
        importers.push_back(device().attach(buffer.fd.get(), attach_flags).value());
        ksft::expect_eq(importers.back().fill({.count = 16}).code(), 0, "FILL");
    }
    ksft::expect_eq(move(buffer, single_pages()), 0, "MOVE");
    for (const Importer& importer : importers) {
        ksft::expect_eq(importer.audit().value().entries, 0, "entries");
        ksft::expect_eq(importer.audit().value().notifies, 1, "notifies");
    }
}

/*
 * Importers are notified whatever methods the exporter has, of a move and of a revoke. An importer
 * that pins keeps the buffer from moving.
 */
void told_with_methods(std::uint32_t methods) {
    require_pfns();
    if (methods & TESTEXP_CREATE_NO_MAP)
        REQUIRE(device().has(TESTEXP_FEAT_NO_MAP), "the stock kernel needs map_dma_buf");

    const int fill_code = methods & TESTEXP_CREATE_NO_GET_PFN ? EINVAL : 0;
    const Buffer buffer = create_movable(one_block(), methods);
    const Importer importer = device().attach(buffer.fd.get(), dynamic).value();
    const auto fill = [&] {
        ksft::expect_eq(importer.fill({.count = 16}).code(), fill_code, "FILL");
    };
    const auto expect_told = [&](std::uint64_t times, const std::string& what) {
        const testexp_audit audit = importer.audit().value();

        ksft::expect_eq(audit.notifies, times, "notifies after " + what);
        ksft::expect_eq(audit.entries, 0, "entries after " + what);
    };

    fill();
    {
        const Importer pinning =
            device().attach(buffer.fd.get(), dynamic | TESTEXP_ATTACH_PIN).value();

        ksft::expect_eq(move(buffer, single_pages()), EBUSY, "MOVE of a pinned buffer");
    }
    ksft::expect_eq(move(buffer, single_pages()), 0, "MOVE");
    expect_told(1, "MOVE");
    fill();
    ksft::expect_eq(device().revoke(buffer.fd.get()).code(), 0, "REVOKE");
    expect_told(2, "REVOKE");
}

/* --- P1: pinned ----------------------------------------------------------- */

/* A pinned buffer does not move, so no importer has to be notified. */
void pinned(std::uint32_t attach_flags, std::uint64_t pins) {
    if (!attach_flags)
        REQUIRE(device().has(TESTEXP_FEAT_MAPS_AT_ATTACH), "since 6.16 attaching pins nothing");
    if (attach_flags & TESTEXP_ATTACH_NO_NOTIFY)
        REQUIRE(device().has(TESTEXP_FEAT_NO_NOTIFY),
                "before 7.1 an importer with operations must have move_notify");

    const Buffer buffer = create_movable(one_block());
    const Contents contents(buffer, one_block());
    {
        const Importer importer = device().attach(buffer.fd.get(), attach_flags).value();
        const auto old_pfns = pfns_of(look_at(buffer, one_block()));

        ksft::expect_eq(device().stats(buffer.fd.get()).value().pins, pins, "pins");
        ksft::expect_eq(move(buffer, single_pages()), EBUSY, "MOVE");
        ksft::expect(old_pfns == pfns_of(look_at(buffer, one_block())), "the pages are the same");
        ksft::expect_eq(importer.audit().value().notifies, 0, "notifies");
    }
    const testexp_stats stats = device().stats(buffer.fd.get()).value();

    ksft::expect_eq(stats.unpins, stats.pins, "unpins, against pins");
    ksft::expect_eq(stats.lock_violations, 0, "callbacks without the reservation lock");
    ksft::expect_eq(move(buffer, single_pages()), 0, "MOVE after the last unpin");
    contents.expect_intact("after the move");
}

/* A pin also keeps the entries of the other importers valid. */
void pinned_keeps_entries() {
    require_pfns();

    const Buffer buffer = create_movable(one_block());
    const Contents contents(buffer, one_block());
    const Importer importer =
        device().attach(buffer.fd.get(), dynamic | TESTEXP_ATTACH_PIN).value();
    const Importer other = device().attach(buffer.fd.get(), dynamic).value();

    for (const Importer* each : {&importer, &other})
        ksft::expect_eq(each->fill({.mode = TESTEXP_FILL_NAIVE, .count = 16}).code(), 0, "FILL");
    ksft::expect_eq(move(buffer, single_pages()), EBUSY, "MOVE");
    for (const Importer* each : {&importer, &other}) {
        const testexp_audit audit = each->audit().value();

        ksft::expect_eq(audit.entries, 16, "entries");
        ksft::expect_eq(audit.stale, 0, "stale entries");
    }
}

/* --- P5: fences ----------------------------------------------------------- */

/* An importer that uses its entries until its fence signals. */
struct Fenced {
    Buffer buffer = create_movable(one_block());
    Contents contents = Contents(buffer, one_block());
    Importer importer = device().attach(buffer.fd.get(), fenced).value();
    /*
     * Without get_pfn the table is empty, but there is still a fence, and the order of events is
     * visible.
     */
    std::uint64_t entries = device().has(TESTEXP_FEAT_MOVE_NOTIFY) ? 16 : 0;

    Fenced() {
        if (entries)
            ksft::expect_eq(importer.fill({.count = entries}).value().installed, entries,
                            "installed");
    }

    /*
     * Starts a move and waits until it waits for the fence, or has ended. SIGNAL says whether the
     * fence expired meanwhile.
     */
    std::future<int> begin_move(std::uint32_t timeout_ms = 0) {
        auto moved =
            in_thread([this, timeout_ms] { return move(buffer, single_pages(), timeout_ms); });

        (void)wait_for(importer, POLLPRI, moved);
        return moved;
    }

    void expect_use_goes_on(const testexp_use& use) const {
        ksft::expect_eq(use.used, entries, "entries used after move_notify");
        ksft::expect_eq(use.poisoned + use.wrong + use.gone, 0, "wrong pages before the fence");
        ksft::expect_eq(use.notifies, 1, "notifies");
    }

    void expect_moved() const {
        ksft::expect_eq(device().stats(buffer.fd.get()).value().moves, 1, "moves");
        contents.expect_intact("after the move");
    }
};

/* All that a reader of the buffer has to wait for, as a file that is readable then. */
Fd export_fence(const Buffer& buffer) {
    dma_buf_export_sync_file args = {.flags = DMA_BUF_SYNC_READ, .fd = -1};

    if (ioctl(buffer.fd.get(), DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &args) < 0)
        throw std::runtime_error(errno_error("EXPORT_SYNC_FILE").what);
    return Fd(args.fd);
}

bool is_readable(const Fd& file, std::chrono::milliseconds within) {
    pollfd entry{.fd = file.get(), .events = POLLIN, .revents = 0};

    if (poll(&entry, 1, static_cast<int>(within.count())) < 0)
        throw std::runtime_error(errno_error("poll").what);
    return (entry.revents & POLLIN) != 0;
}

void fence_delays() {
    const std::uint64_t violations = poison_violations();

    until_seen([] {
        Fenced fenced;
        auto moved = fenced.begin_move();
        const testexp_use use = fenced.importer.use(signature, TESTEXP_USE_WRITE).value();
        const bool waits = still_running(moved);
        const bool pending = happens(fenced.importer, POLLPRI);
        const bool seen = fenced.importer.signal().value();

        ksft::expect_eq(moved.get(), 0, "MOVE");
        fenced.expect_moved();
        ksft::expect_eq(fenced.importer.audit().value().entries, 0, "entries after the fence");
        if (!seen)
            return false;
        fenced.expect_use_goes_on(use);
        ksft::expect(waits, "the move waits for the fence");
        ksft::expect(pending, "the fence is pending");
        /* The move copied the pages only after the last write to them. */
        ksft::expect_eq(fenced.contents.sum(word_of_importers), fenced.entries,
                        "writes before the fence that arrived");
        return true;
    });
    ksft::expect_eq(poison_violations(), violations, "poison_violations");
}

/*
 * Closing the importer signals the fence. The move waits a shorter time than the fence takes to
 * expire, so a move that succeeds was not saved by the expiry.
 */
void close_signals_fence() {
    until_seen([] {
        Fenced fenced;
        auto moved = fenced.begin_move(TESTEXP_FENCE_MS / 2);

        (void)Importer(std::move(fenced.importer)); /* closes it */

        const int code = moved.get();

        if (code == ETIMEDOUT)
            return false;
        ksft::expect_eq(code, 0, "MOVE whose timeout is shorter than the fence's");
        fenced.expect_moved();
        return true;
    });
}

/* The importer never signals: its fence expires, and the move takes place. */
void fence_expires() {
    Fenced fenced;

    ksft::expect_eq(move(fenced.buffer, single_pages()), 0, "MOVE");
    ksft::expect(!happens(fenced.importer, POLLPRI), "the fence is not pending any more");
    ksft::expect_eq(fenced.importer.signal().value(), false, "SIGNAL found a fence");
    ksft::expect_eq(fenced.importer.audit().value().entries, 0, "entries");
    fenced.expect_moved();
}

/*
 * A fence lasts its full time also when an earlier fence of the same importer was signalled early.
 * The fence of another importer begins between the two fences, so it has to expire first.
 */
void later_fence_lasts() {
    until_seen([] {
        Fenced fenced;
        Fenced other;
        auto first = fenced.begin_move();
        const bool first_signalled = fenced.importer.signal().value();

        ksft::expect_eq(first.get(), 0, "MOVE");
        std::this_thread::sleep_for(limits::for_a_wrong_end);

        auto between = other.begin_move();

        std::this_thread::sleep_for(limits::for_a_wrong_end);

        auto second = fenced.begin_move();

        ksft::expect_eq(between.get(), 0, "MOVE of the other buffer");

        const bool lasts = happens(fenced.importer, POLLPRI);

        (void)fenced.importer.signal().value();
        ksft::expect_eq(second.get(), 0, "MOVE again");
        return first_signalled && lasts;
    });
}

/*
 * A fence expires also when an earlier fence of the same importer was signalled early. The time
 * between the two fences is longer than a timer of the kernel is late.
 */
void later_fence_expires() {
    Fenced fenced;
    auto first = fenced.begin_move();

    (void)fenced.importer.signal().value();
    ksft::expect_eq(first.get(), 0, "MOVE");
    std::this_thread::sleep_for(limits::for_a_wrong_end);
    ksft::expect_eq(move(fenced.buffer, one_block()), 0, "MOVE whose fence nobody signals");
}

/* A fence that the buffer was made with signals at the latest when the buffer ends. */
void close_signals_injected_fence() {
    until_seen([] {
        Buffer buffer =
            device().create({.layout = one_block(), .inject = TESTEXP_INJECT_FENCE}).value();
        const Fd fence = export_fence(buffer);
        const bool seen = !is_readable(fence, std::chrono::seconds(0));

        buffer.fd.reset();
        ksft::expect(is_readable(fence, limits::signalling), "the fence has signalled");
        return seen;
    });
}

/* The exporter gives up before the fence expires: the buffer stays where it was. */
void move_times_out() {
    until_seen([] {
        const Fenced fenced;
        const auto old_pfns = pfns_of(look_at(fenced.buffer, one_block()));
        const std::uint64_t used_before = device().read_info().value().used_pages;
        const int code = move(fenced.buffer, single_pages(), 20);

        /* The fence expired first. */
        if (code == 0)
            return false;
        ksft::expect_eq(code, ETIMEDOUT, "MOVE");

        const testexp_audit audit = fenced.importer.audit().value();
        const bool seen = fenced.importer.signal().value();

        ksft::expect(old_pfns == pfns_of(look_at(fenced.buffer, one_block())),
                     "the pages are the same");
        ksft::expect_eq(device().stats(fenced.buffer.fd.get()).value().moves, 0, "moves");
        ksft::expect_eq(device().read_info().value().used_pages, used_before, "used_pages");
        fenced.contents.expect_intact("after the move that failed");
        if (seen)
            ksft::expect_eq(audit.entries, fenced.entries, "entries before SIGNAL");
        ksft::expect_eq(audit.stale, 0, "stale entries");
        ksft::expect_eq(fenced.importer.audit().value().entries, 0, "entries after SIGNAL");
        return seen;
    });
}

/*
 * With several importers the move waits for the fence of each, whichever signals first. The older
 * importer had a fence before. So its second fence would replace the other importer's first one if
 * they were of the same timeline.
 */
void every_fence_delays(bool older_first) {
    until_seen([older_first] {
        Fenced older;
        auto moved_before = older.begin_move();

        (void)older.importer.signal().value();
        ksft::expect_eq(moved_before.get(), 0, "MOVE with one importer");

        const Importer newer = device().attach(older.buffer.fd.get(), fenced).value();
        auto moved = older.begin_move();
        const bool pending = wait_for(newer, POLLPRI, moved);
        const Importer& first = older_first ? older.importer : newer;
        const Importer& last = older_first ? newer : older.importer;
        const bool first_signalled = first.signal().value();
        const bool waits = still_running(moved);
        const bool last_signalled = last.signal().value();

        ksft::expect_eq(moved.get(), 0, "MOVE");
        older.contents.expect_intact("after the move");
        if (!pending || !first_signalled || !last_signalled)
            return false;
        ksft::expect(waits, "the move waits for the other fence as well");
        return true;
    });
}

/* An importer has one fence at a time, also when moves give up one after the other. */
void one_fence_of_many_moves() {
    until_seen([] {
        Fenced fenced;
        const int first = move(fenced.buffer, single_pages(), 20);
        const int second = move(fenced.buffer, single_pages(), 20);
        const bool signalled = fenced.importer.signal().value();

        if (first == 0 || second == 0 || !signalled)
            return false;
        ksft::expect_eq(first, ETIMEDOUT, "MOVE");
        ksft::expect_eq(second, ETIMEDOUT, "MOVE once more");
        ksft::expect_eq(fenced.importer.signal().value(), false, "SIGNAL found another fence");
        (void)Importer(std::move(fenced.importer)); /* closes it */
        ksft::expect_eq(move(fenced.buffer, single_pages()), 0, "MOVE with no fence left");
        return true;
    });
}

/* The move is killed while it waits for the fence. The fence stays. */
void killed_move_ends() {
    until_seen([] {
        const Fenced fenced;
        const auto old_pfns = pfns_of(look_at(fenced.buffer, one_block()));
        Child child([&] { return move(fenced.buffer, single_pages()); });

        while (!child.has_ended() && !happens(fenced.importer, POLLPRI, limits::look_again))
            continue;
        child.kill();
        /* The fence did not end the move. */
        if (signal_of(child.wait()) != SIGKILL || !happens(fenced.importer, POLLPRI))
            return false;
        ksft::expect(old_pfns == pfns_of(look_at(fenced.buffer, one_block())),
                     "the pages are the same");
        return true;
    });
}

/* --- P7, P22 -------------------------------------------------------------- */

/* Everything that takes the lock of the table, in both orders of attaching. */
void lock_nesting() {
    REQUIRE(device().has(TESTEXP_FEAT_LOCKDEP), "only lockdep sees an order of locks");
    require_pfns();

    expect_warnings(0, [] {
        fence_delays();
        paused_locked();
        paused_seq_retry();
    });
}

std::uint64_t map_count(std::uint64_t pfn) {
    const Fd counts(open("/proc/kpagecount", O_RDONLY | O_CLOEXEC));
    std::uint64_t count = 0;

    if (!counts)
        ksft::skip(errno_error("/proc/kpagecount").what);
    if (pread(counts.get(), &count, sizeof(count), static_cast<off_t>(pfn * sizeof(count))) !=
        sizeof(count))
        throw std::runtime_error(errno_error("read /proc/kpagecount").what);
    return count;
}

void expect_map_counts(const std::set<std::uint64_t>& pfns, std::uint64_t count,
                       const std::string& when) {
    for (const std::uint64_t pfn : pfns)
        ksft::expect_eq(map_count(pfn), count, "mappings of a page " + when);
}

/*
 * No page is in two buffers, and importers add no mapping and no charge. The kernel does not count
 * mappings of VM_PFNMAP.
 */
void pages_are_its_own() {
    const std::uint64_t used_before = device().read_info().value().used_pages;
    {
        std::vector<Buffer> buffers;
        std::set<std::uint64_t> seen;

        buffers.reserve(4);
        for (int i = 0; i < 4; i++)
            buffers.push_back(create_movable(one_block(), TESTEXP_CREATE_SHOW_PAGES));
        for (const Buffer& buffer : buffers)
            ksft::expect_eq(move(buffer, single_pages()), 0, "MOVE");
        for (const Buffer& buffer : buffers) {
            const auto pfns = pfns_of(look_at(buffer, single_pages()));

            ksft::expect_eq(pfns.size(), 16, "different pages of one buffer");
            ksft::expect(disjoint(pfns, seen), "no page is in two buffers");
            expect_map_counts(pfns, 0, "without a mapping");
            seen.insert(pfns.begin(), pfns.end());
        }
    }
    ksft::expect_eq(device().read_info().value().used_pages, used_before, "used_pages after");
}

/*
 * Mappings follow the move: the old page is not mapped any more, and the new page is mapped once.
 */
void map_counts_follow() {
    const Buffer buffer = create_movable(one_block(), TESTEXP_CREATE_SHOW_PAGES);
    const Contents contents(buffer, one_block());
    const auto old_pfns = pfns_of(look_at(buffer, one_block()));

    contents.expect_intact("before");
    expect_map_counts(old_pfns, 1, "before the move");
    ksft::expect_eq(move(buffer, single_pages()), 0, "MOVE");
    expect_map_counts(old_pfns, 0, "that the buffer has left");
    contents.expect_intact("after the move");
    expect_map_counts(pfns_of(look_at(buffer, single_pages())), 1, "after the move");
}

struct Mode {
    const char* name;
    testexp_fill_mode mode;
    void (*paused)();
};

constexpr Mode modes[] = {
    {"locked", TESTEXP_FILL_LOCKED, paused_locked},
    {"seq_retry", TESTEXP_FILL_SEQ_RETRY, paused_seq_retry},
    {"naive", TESTEXP_FILL_NAIVE, paused_naive},
};

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const Ways& way : ways()) {
        plan.add(std::string("P21.move_alone[") + way.name + "]", [=] { move_alone(way); });
        for (const Form& form : forms)
            plan.add(std::string("P1.truth_after_move[") + way.name + ",form=" + form.name + "]",
                     [=] { truth_after_move(way, form); });
    }
    for (const Mode& mode : modes)
        plan.add(std::string("P1.move_before_install[importer=") + mode.name + "]", mode.paused);
    for (const Mode& mode : modes)
        plan.add(std::string("P2.dropped[importer=") + mode.name + "]",
                 [&] { dropped(mode.mode); });
    plan.add("P2.stale_writes_counted[where=second_word,pages=2]",
             [] { stale_writes_counted(2, TESTEXP_USE_WRITE); });
    plan.add("P2.stale_writes_counted[where=last_byte,pages=1]",
             [] { stale_writes_counted(1, TESTEXP_USE_WRITE_LAST); });
    plan.add("abi.notify_ends_the_pause", notify_ends_the_pause);
    plan.add("abi.pause_is_over", pause_is_over);
    plan.add("abi.poll_wakes[event=pause]", [] { poll_wakes(POLLIN); });
    plan.add("abi.poll_wakes[event=fence]", [] { poll_wakes(POLLPRI); });
    plan.add("abi.move_while_mapped", move_while_mapped);
    plan.add("P2.all_are_told", [] { all_are_told(dynamic); });
    plan.add("P2.all_are_told[device=no]",
             [] { all_are_told(dynamic | TESTEXP_ATTACH_NO_DEVICE); });
    plan.add("P2.all_are_told[peer2peer=no]",
             [] { all_are_told(dynamic | TESTEXP_ATTACH_NO_P2P); });
    plan.add("P2.all_are_told[methods=get_pfn_only]",
             [] { told_with_methods(TESTEXP_CREATE_NO_MAP); });
    plan.add("P2.all_are_told[methods=map_only]",
             [] { told_with_methods(TESTEXP_CREATE_NO_GET_PFN); });
    plan.add("P2.all_are_told[methods=no_attrs]",
             [] { told_with_methods(TESTEXP_CREATE_NO_ATTRS); });
    for (const Change& change : changes())
        plan.add(std::string("P2.audited[changed=") + change.name + "]", [=] { audited(change); });
    for (const Mode& mode : modes)
        plan.add(std::string("P2.fill_stops_at_an_error[importer=") + mode.name + "]",
                 [&] { fill_stops_at_an_error(mode.mode); });
    for (const Mode& mode : modes)
        plan.add(std::string("abi.fill_after_moves[importer=") + mode.name + "]",
                 [&] { fill_after_moves(mode.mode); });
    plan.add("P2.use_counts", use_counts);
    plan.add("P2.use_of_what_is_gone", use_of_what_is_gone);

    plan.add("P1.pinned[by=core]", [] { pinned(0, 1); });
    plan.add("P1.pinned[by=importer]", [] { pinned(dynamic | TESTEXP_ATTACH_PIN, 1); });
    plan.add("P1.pinned[by=importer_without_callback]",
             [] { pinned(dynamic | TESTEXP_ATTACH_NO_NOTIFY | TESTEXP_ATTACH_PIN, 1); });
    plan.add("P1.pinned_keeps_entries", pinned_keeps_entries);

    plan.add("P5.fence_delays", fence_delays);
    plan.add("P5.close_signals_fence", close_signals_fence);
    plan.add("P5.fence_expires", fence_expires);
    plan.add("P5.later_fence_lasts", later_fence_lasts);
    plan.add("P5.later_fence_expires", later_fence_expires);
    plan.add("P5.close_signals_injected_fence", close_signals_injected_fence);
    plan.add("P5.move_times_out", move_times_out);
    plan.add("P5.every_fence_delays[first=older]", [] { every_fence_delays(true); });
    plan.add("P5.every_fence_delays[first=newer]", [] { every_fence_delays(false); });
    plan.add("P5.one_fence_of_many_moves", one_fence_of_many_moves);
    plan.add("P5.killed_move_ends", killed_move_ends);

    plan.add("P7.lock_nesting", lock_nesting);
    plan.add("P22.pages_are_its_own", pages_are_its_own);
    plan.add("P22.map_counts_follow", map_counts_follow);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
