// SPDX-License-Identifier: GPL-2.0
/* P1, P2, P4, P5 and P16: how an exporter takes pages away, and gives them back. */
#include <algorithm>
#include <csignal>
#include <map>
#include <optional>
#include <utility>

#include "block_law.hpp"
#include "dma_segments.hpp"
#include "fixture.hpp"
#include "law.hpp"
#include "lifetime.hpp"
#include "mapped.hpp"
#include "page_entry.hpp"
#include "taken.hpp"
#include "waiting.hpp"
#include "ways.hpp"

namespace check {

using namespace testexp;

namespace {

using Body = void (*)(const Subject& subject, const Invalidation& how);

/* Runs @body for each of these ways. A note names the way. */
void for_each_way(const Subject& subject, Body body, const std::vector<const Invalidation*>& ways) {
    for (const Invalidation* how : ways) {
        ksft::note("by " + how->name);
        body(subject, *how);
    }
}

/* The first pages, as many as have a PFN: what FILL can install. */
std::uint64_t pages_to_fill(const Subject& subject) {
    const auto end = std::ranges::find_if_not(subject.first_answers, &Answer::has_pfn);
    const auto count = static_cast<std::uint64_t>(end - subject.first_answers.begin());

    return std::min<std::uint64_t>(count, 4096);
}

/* --- the importer is told ---------------------------------------------------- */

/* An importer with a device, where the exporter accepts such an importer. */
Importer attach_with_device(const Subject& subject) {
    Result<Importer> importer =
        device().attach(subject.fd(), subject.attach_flags & ~TESTEXP_ATTACH_NO_DEVICE);

    return importer ? std::move(importer).value() : attach(subject);
}

/*
 * Two importers with a callback: one as the subject is attached, and one with a device where the
 * exporter accepts such an importer. Their tables have PFNs.
 */
void told_by(const Subject& subject, const Invalidation& how) {
    const std::uint64_t count = pages_to_fill(subject);
    const Importer first = attach(subject);
    const Importer second = attach_with_device(subject);

    if (count == 0)
        ksft::skip("the first page has no PFN");
    for (const Importer* importer : {&first, &second})
        ksft::expect_eq(importer->fill({.count = count}).value().installed, count,
                        "PFNs that the importer installed");

    const std::uint64_t of_first = callbacks_of(first), of_second = callbacks_of(second);
    const Taken taken(how);

    expect_told(first, of_first, how, "first importer");
    expect_told(second, of_second, how, "second importer");
}

/* An importer's fence is a device that is still at work: until it signals, the pages stay. */
void waits_for_fence(const Subject& subject, const Invalidation& how) {
    until_seen([&] {
        const Importer importer =
            device().attach(subject.fd(), subject.attach_flags | TESTEXP_ATTACH_FENCE).value();

        (void)importer.fill({.count = std::max<std::uint64_t>(pages_to_fill(subject), 1)}).value();

        auto call = in_thread([&] {
            const Taken taken(how);

            return importer.audit().value();
        });

        if (!wait_for(importer, POLLPRI, call)) {
            (void)call.get(); /* throws where the call failed */
            ksft::fail(how.name + " ended although the importer's fence had not signalled");
        }

        const bool waited = still_running(call);

        if (!importer.signal().value())
            return false; /* the fence expired before this thread looked */
        ksft::expect(waited, how.name + " waits for the importer's fence");
        (void)call.get();
        return true;
    });
}

/*
 * The device of an importer may use the pages until the importer unmaps, although the importer was
 * told. This process cannot start a command while a mapping is held (HeldMapping), so the ways are
 * those of an exporter that the source knows.
 */
void waits_for_unmap(const Subject& subject, const Invalidation& how) {
    const Importer importer = attach_for_map(subject);

    require_holdable(importer);
    until_seen([&] {
        HeldMapping mapping(importer);
        auto call = in_thread([&] { how.take(); });
        const bool waits = still_running(call);
        const bool seen = mapping.is_held();

        mapping.release();
        call.get();
        how.give_back();
        if (seen)
            ksft::expect(waits, how.name + " waits for the unmap");
        return seen;
    });
}

/* --- what a revoke leaves ---------------------------------------------------- */

/* An importer that is there before the revoke, and whether map_dma_buf worked then. */
struct Mapper {
    Importer importer;
    bool maps;
};

Mapper make_mapper(const Subject& subject) {
    Importer importer = attach_with_device(subject);
    const bool maps = !device().has(TESTEXP_FEAT_MAPS_AT_ATTACH) && importer.map();

    return {std::move(importer), maps};
}

void expect_revoked(const Subject& subject, const Importer& importer, const Mapper& mapper,
                    const std::string& when) {
    for (const Form& form : forms)
        for (const Answer& answer : ask_pages(subject, importer, form.flags))
            expect_refused(answer.result, ENODEV,
                           "page " + std::to_string(answer.pgoff) + ", " + form.name + ", " + when);
    expect_refused(importer.resolve(subject.nr_pages, 1).value()[0], EINVAL,
                   "behind the end, " + when);
    if (subject.has_attributes)
        for (const Answer& answer : subject.first_answers)
            ksft::expect_eq(importer.describe(answer.pgoff, TESTEXP_DESCRIBE_ATTRS).code(), ENODEV,
                            "get_pfn_attrs of page " + std::to_string(answer.pgoff) + ", " + when);
    if (mapper.maps)
        ksft::expect_eq(mapper.importer.map().code(), ENODEV, "map, " + when);
    ksft::expect_eq(device().attach(subject.fd(), subject.attach_flags).code(), ENODEV,
                    "attach, " + when);
}

void revoked_by(const Subject& subject, const Invalidation& how) {
    const Importer importer = attach(subject);
    const Mapper mapper = make_mapper(subject);

    if (how.is_move) {
        ksft::note(how.name + " gives pages back at once, so there is nothing to refuse");
        return;
    }

    const Taken taken(how);
    const std::uint64_t callbacks = callbacks_of(importer);

    expect_revoked(subject, importer, mapper, "after " + how.name);
    how.take();
    expect_revoked(subject, importer, mapper, "after " + how.name + " twice");
    if (how.callbacks)
        ksft::expect_eq(callbacks_of(importer), callbacks,
                        "callbacks after " + how.name + " twice");
}

/* --- get_pfn inside the callback ------------------------------------------------ */

/* The importer asks for page 0 inside its callback. */
testexp_result asked_by(const Importer& importer) {
    return importer.audit().value().asked;
}

void asked_in_callback(const Subject& subject, const Invalidation& how) {
    const Importer importer =
        device()
            .attach(subject.fd(),
                    subject.attach_flags | TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_ASK)
            .value();

    if (!subject.first_answers.front().has_pfn())
        ksft::skip("the first page has no PFN");

    Taken taken(how);

    expect_refused(asked_by(importer), ENODEV, "page 0, in the callback of " + how.name);
    taken.give_back();
    if (!how.tells_of_return)
        return;

    const testexp_result now = importer.resolve(0, 1).value()[0];

    if (now.error || !same(asked_by(importer), now))
        ksft::record_failure("page 0, in the callback of the end of " + how.name + ": is " +
                                 describe(asked_by(importer)) + ", and now " + describe(now),
                             __FILE__, __LINE__);
}

/* --- what is right afterwards -------------------------------------------------- */

void expect_block_law(const Subject& subject, const Importer& importer, const std::string& when) {
    std::vector<Answer> answers = ask_pages(subject, importer);

    if (subject.has_attributes)
        add_attributes(importer, answers);
    for (const Fault& fault : block_faults(answers, subject.nr_pages))
        ksft::record_failure("page " + std::to_string(fault.pgoff) + " reports " + fault.text +
                                 ", " + when,
                             __FILE__, __LINE__);
}

/* A page has a PFN afterwards exactly when it had one before. */
void expect_same_kinds(const Subject& subject, const std::vector<Answer>& answers,
                       const std::string& when) {
    std::map<std::uint64_t, int> before; /* pgoff: error */

    for (const Answer& answer : subject.first_answers)
        before[answer.pgoff] = answer.result.error;
    for (const Answer& answer : answers)
        if (const auto found = before.find(answer.pgoff); found != before.end())
            ksft::expect_eq(answer.result.error, found->second,
                            "error of page " + std::to_string(answer.pgoff) + ", " + when);
}

/* After @before callbacks the pages came back. */
void expect_told_of_return(const Importer& importer, std::uint64_t before, const Invalidation& how,
                           const std::string& when) {
    const std::uint64_t calls = callbacks_of(importer) - before;

    if (how.callbacks)
        ksft::expect_eq(calls, std::uint64_t{how.tells_of_return}, "callbacks " + when);
    else if (how.tells_of_return)
        ksft::expect(calls > 0, "the importer is told " + when);
}

void good_again_after(const Subject& subject, const Invalidation& how) {
    const Importer old_one = attach(subject);
    const std::string when = "after " + how.name + " and its end";

    for (int times = 0; times < 3; times++) {
        Taken taken(how);
        const std::uint64_t before = callbacks_of(old_one);

        taken.give_back();
        expect_told_of_return(old_one, before, how, when);

        const Importer new_one = attach(subject);
        const std::vector<Answer> answers = ask_pages(subject, old_one);

        expect_same_kinds(subject, answers, when);
        expect_same_answers(ask_pages(subject, new_one), answers, "by a new importer, " + when);
        expect_block_law(subject, new_one, when);
    }
}

/* --- the CPU's mappings ---------------------------------------------------------- */

/*
 * Pages with a PFN: the first, the last, and between them pages where a block begins, at most a
 * dozen. The exporter may have taken away the mapping of one run, and forgotten another.
 */
std::vector<std::uint64_t> pages_to_read(const Subject& subject) {
    constexpr std::size_t most = 12;
    std::vector<std::uint64_t> begins, pages;
    std::optional<std::uint64_t> last;

    for (const Answer& answer : subject.first_answers) {
        if (!answer.has_pfn())
            continue;

        const int order = std::clamp(answer.result.max_order, 0, 63);

        if (!last || answer.pgoff >> order != *last >> order)
            begins.push_back(answer.pgoff);
        last = answer.pgoff;
    }
    if (!last)
        ksft::skip("no page has a PFN");

    const std::size_t step = begins.size() / most + 1;

    for (std::size_t i = 0; i < begins.size(); i += step)
        pages.push_back(begins[i]);
    pages.push_back(*last);
    return pages;
}

const std::byte* address_of(const Mapping& mapping, std::uint64_t pgoff) {
    return mapping.bytes().data() + pgoff * page_bytes();
}

testexp_walked entry_of(const Mapping& mapping, std::uint64_t pgoff) {
    return device().walk(address_of(mapping, pgoff), 1, TESTEXP_WALK_FAULT_IN).value()[0];
}

void expect_signal(const Mapping& mapping, std::uint64_t pgoff, int signal,
                   const std::string& when) {
    ksft::expect_eq(signal_of_reading(address_of(mapping, pgoff)), signal,
                    "the signal of a read of page " + std::to_string(pgoff) + ", " + when);
}

/* The mapping shows the page that get_pfn returns now. */
void expect_shown(const Subject& subject, const Mapping& mapping, std::uint64_t pgoff,
                  const std::string& when) {
    const testexp_walked entry = entry_of(mapping, pgoff);

    if (entry.error == -EINVAL)
        return; /* follow_pfnmap_start() reads only mappings that are VM_PFNMAP */
    if (const auto fault = entry_fault(attach(subject).resolve(pgoff, 1).value()[0], entry))
        ksft::record_failure("page " + std::to_string(pgoff) + ", " + when + ": " + *fault,
                             __FILE__, __LINE__);
}

/* An exporter may refuse a mapping of the time before the revoke. A new mapping has to work. */
void expect_shown_again(const Subject& subject, const Mapping& old_one,
                        const std::vector<std::uint64_t>& pages, const std::string& when) {
    const Mapping new_one = map_buffer(subject).value();

    for (const std::uint64_t pgoff : pages) {
        if (signal_of_reading(address_of(old_one, pgoff)) == 0)
            expect_shown(subject, old_one, pgoff, "through the mapping from before, " + when);
        expect_signal(new_one, pgoff, 0, "through a new mapping, " + when);
        expect_shown(subject, new_one, pgoff, "through a new mapping, " + when);
    }
}

void unmapped_by(const Subject& subject, const Invalidation& how) {
    REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");

    const Mapping mapping = map_or_skip(subject);
    const std::vector<std::uint64_t> pages = pages_to_read(subject);

    if (entry_of(mapping, pages.front()).error == -EINVAL)
        ksft::note("the mapping is not VM_PFNMAP, so the law does not compare PFNs");
    for (const std::uint64_t pgoff : pages) {
        expect_signal(mapping, pgoff, 0, "before " + how.name);
        expect_shown(subject, mapping, pgoff, "before " + how.name);
    }

    Taken taken(how);

    for (const std::uint64_t pgoff : pages)
        if (how.is_move)
            expect_shown(subject, mapping, pgoff, "after " + how.name);
        else
            expect_signal(mapping, pgoff, SIGBUS, "after " + how.name);
    if (how.is_move)
        return;
    taken.give_back();
    expect_shown_again(subject, mapping, pages, "after " + how.name + " and its end");
}

/* --- a buffer that is made meanwhile -------------------------------------------------- */

/*
 * What takes the pages of one buffer of a device away takes them from its other buffers, and so
 * from a buffer that is made before the pages come back. The exporter may also refuse to make it.
 */
void made_meanwhile(const Subject& subject, const Invalidation& how) {
    Taken taken(how);
    std::optional<Source> late;

    try {
        late = subject.make_another();
    } catch (const std::exception& refusal) {
        ksft::note("no buffer is made after " + how.name + ": " + refusal.what());
        return;
    }

    const int fd = late->buffer.get();
    const auto importer = device().attach(fd, subject.attach_flags);

    if (importer)
        for (const std::uint64_t pgoff : {std::uint64_t{0}, subject.nr_pages - 1})
            expect_refused(importer.value().resolve(pgoff, 1).value()[0], ENODEV,
                           "page " + std::to_string(pgoff) + " of a buffer made after " + how.name);
    else
        ksft::expect_eq(importer.code(), ENODEV, "attach to a buffer made after " + how.name);
    taken.give_back();

    const Importer now = device().attach(fd, subject.attach_flags).value();

    expect_same_answers(ask_pages(subject, now), subject.first_answers,
                        "by a buffer made after " + how.name + ", once it has ended");
}

/* --- for good ---------------------------------------------------------------------- */

/* The last law, because no page comes back. */
void gone(const Subject& subject, const Invalidation& how) {
    const std::uint64_t count = pages_to_fill(subject);
    const Importer importer = attach(subject);
    const Mapper mapper = make_mapper(subject);

    if (count != 0)
        (void)importer.fill({.count = count}).value();

    const std::uint64_t before = callbacks_of(importer);

    how.take();
    expect_told(importer, before, how, "the importer");
    expect_revoked(subject, importer, mapper, "after " + how.name);
}

/* The bodies of laws. */
template <Body body> void each_that_ends(const Subject& subject) {
    const auto ways = ways_that_end(subject.source.invalidations);

    if (ways.empty())
        ksft::skip("this source has no way that gives the pages back");
    for_each_way(subject, body, ways);
}

/* The contract does not say what get_pfn returns in the callback of a move. */
void asked_in_each_revoke(const Subject& subject) {
    const auto ways = revokes_that_end(subject.source.invalidations);

    if (ways.empty())
        ksft::skip("this source has no revoke after which it gives the pages back");
    for_each_way(subject, asked_in_callback, ways);
}

/* A revoke of the whole device, which a sibling shows. */
void made_in_each_revoke(const Subject& subject) {
    const auto ways = revokes_that_end(subject.source.invalidations);

    if (ways.empty())
        ksft::skip("this source has no revoke after which it gives the pages back");
    for_each_way(subject, made_meanwhile, ways);
}

/* Only these wait for unmaps: a move lets an importer keep its mapping of the old pages. */
void each_revoke_waits_for_unmap(const Subject& subject) {
    auto ways = revokes_that_end(subject.source.invalidations);

    std::erase_if(ways, [](const Invalidation* how) { return !how->callbacks; });
    REQUIRE(device().has(TESTEXP_FEAT_REVOKE_UNMAPS),
            "in this kernel a revoke does not wait for unmaps");
    if (ways.empty())
        ksft::skip("this source knows no revoke, besides commands, that gives the pages back");
    for_each_way(subject, waits_for_unmap, ways);
}

template <Body body> void one_for_good(const Subject& subject) {
    const auto ways = way_for_good(subject.source.invalidations);

    if (ways.empty())
        ksft::skip("this source has no way to take the pages away for good");
    for_each_way(subject, body, ways);
}

} // namespace

std::vector<Law> invalidation_laws() {
    const std::vector<Need> needs = {Need::get_pfn, Need::invalidation};

    return {
        {"invalidate.importers_are_told",
         "each importer's callback comes before the call ends, once where the source knows the "
         "exporter, and no importer keeps a PFN (P2, P5)",
         needs, each_that_ends<told_by>},
        {"invalidate.waits_for_fences",
         "the call ends only when the fences of importers have signalled (P5)", needs,
         each_that_ends<waits_for_fence>},
        {"invalidate.waits_for_unmap",
         "a revoke ends only when no importer has the buffer mapped for DMA (contract 1b, P5)",
         needs, each_revoke_waits_for_unmap},
        {"invalidate.revoked",
         "get_pfn, get_pfn_attrs, map and attach of a revoked buffer give -ENODEV and write "
         "nothing, and a second revoke changes nothing (contract 1, P4)",
         needs, each_that_ends<revoked_by>},
        {"invalidate.asked_in_callback",
         "an importer that asks inside its callback gets -ENODEV in a revoke, and the page when "
         "the pages come back (contract 1b, P4)",
         needs, asked_in_each_revoke},
        {"invalidate.good_again",
         "afterwards each page has a PFN again, also for a new importer, and max_order is right "
         "(P1, P4)",
         needs, each_that_ends<good_again_after>},
        {"invalidate.cpu_mappings",
         "after a revoke, an access through a CPU mapping gives SIGBUS; after a move, and when the "
         "pages are back, a CPU mapping shows the pages that get_pfn returns (P16)",
         needs, each_that_ends<unmapped_by>},
        {"invalidate.made_meanwhile",
         "a buffer that the device makes while its pages are revoked is refused, or revoked as "
         "well (contract 1b, P4)",
         {Need::get_pfn, Need::invalidation, Need::another, Need::sibling},
         made_in_each_revoke},
        {"invalidate.for_good",
         "when the pages are gone for good, importers were told, and get_pfn, map and attach give "
         "-ENODEV (P2, P4)",
         needs, one_for_good<gone>},
    };
}

} // namespace check
