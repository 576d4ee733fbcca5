// SPDX-License-Identifier: GPL-2.0
/*
 * P2, P4 and P5: importers are told of what takes their pages away and of nothing else, in each
 * buffer of a device. No call sees half of a revoke.
 */
#include <atomic>
#include <thread>

#include <unistd.h>

#include "fixture.hpp"
#include "law.hpp"
#include "taken.hpp"
#include "thread_report.hpp"
#include "ways.hpp"

namespace check {

using namespace testexp;

namespace {

/* --- nothing is taken ---------------------------------------------------------- */

void only_when_taken(const Subject& subject) {
    const Harmless& harmless = *subject.source.harmless;
    const Importer importer = attach(subject);
    const std::uint64_t before = callbacks_of(importer);

    if (!subject.first_answers.front().has_pfn())
        ksft::skip("the first page has no PFN");

    const std::uint64_t installed = importer.fill({.count = 1}).value().installed;

    for (int times = 0; times < 3; times++)
        harmless.act();
    ksft::expect_eq(callbacks_of(importer), before, "callbacks after " + harmless.name);
    ksft::expect_eq(importer.audit().value().entries, installed,
                    "PFNs that the importer has after " + harmless.name);
}

/* --- another buffer of the same device -------------------------------------------- */

/* An importer of one of the buffers, and what it got before. */
struct Watched {
    std::string name;
    Importer importer;
    std::uint64_t nr_pages;
    std::vector<testexp_result> before;
};

Watched watch(const std::string& name, const Subject& subject, int fd) {
    constexpr std::uint64_t most = 512;
    const auto nr_pages = static_cast<std::uint64_t>(lseek(fd, 0, SEEK_END)) / page_bytes();
    Importer importer = device().attach(fd, subject.attach_flags).value();
    std::vector<testexp_result> before = importer.resolve(0, std::min(nr_pages, most)).value();

    return {name, std::move(importer), nr_pages, std::move(before)};
}

void expect_none(const Watched& watched, const Invalidation& how) {
    for (const std::uint64_t pgoff : {std::uint64_t{0}, watched.nr_pages - 1})
        expect_refused(watched.importer.resolve(pgoff, 1).value()[0], ENODEV,
                       watched.name + ", page " + std::to_string(pgoff) + ", after " + how.name);
}

/* A page has a PFN again exactly when it had one before. */
void expect_back(const Watched& watched, const Invalidation& how) {
    const auto now = watched.importer.resolve(0, watched.before.size()).value();

    for (std::size_t i = 0; i < now.size(); i++)
        ksft::expect_eq(now[i].error, watched.before[i].error,
                        watched.name + ", error of page " + std::to_string(i) + " after " +
                            how.name + " and its end");
}

void every_buffer(const Subject& subject) {
    for (const Invalidation* how : ways_that_end(subject.source.invalidations)) {
        const Watched both[] = {
            watch("the buffer", subject, subject.fd()),
            watch("its sibling", subject, subject.source.sibling->buffer.get())};
        const std::uint64_t calls[] = {callbacks_of(both[0].importer),
                                       callbacks_of(both[1].importer)};
        Taken taken(*how);

        for (std::size_t i = 0; i < std::size(both); i++) {
            expect_told(both[i].importer, calls[i], *how, both[i].name);
            if (!how->is_move)
                expect_none(both[i], *how);
        }
        taken.give_back();
        for (const Watched& watched : both)
            expect_back(watched, *how);
    }
}

/* --- calls beside a revoke -------------------------------------------------------- */

/* How many holds of the lock found the buffer revoked, and how many did not. */
struct Holds {
    std::atomic<unsigned int> revoked = 0;
    std::atomic<unsigned int> not_revoked = 0;
    std::atomic<bool> is_over = false; /* the thread has to end, or has ended */

    unsigned int count() const { return revoked + not_revoked; }
};

void look_once(const Importer& importer, std::uint64_t count, Holds& holds, ThreadReport& found) {
    const auto results = importer.resolve(0, count, 1, TESTEXP_RESOLVE_LOCKED).value();
    const auto refused = static_cast<std::uint64_t>(std::ranges::count_if(
        results, [](const testexp_result& result) { return result.error == -ENODEV; }));

    if (refused != 0 && refused != count)
        found.add("within one hold of the lock " + std::to_string(refused) + " of " +
                  std::to_string(count) + " pages are revoked");
    (refused != 0 ? holds.revoked : holds.not_revoked)++;
}

/* Two holds end: the last of them began after this call. */
void wait_for_a_hold(const Holds& holds) {
    const unsigned int enough = holds.count() + 2;

    while (holds.count() < enough && !holds.is_over)
        std::this_thread::yield();
}

/* A command of the user takes its time. */
int rounds_of(const Invalidation& how) {
    if (!how.callbacks)
        return 10;
    return quick() || is_debug_kernel() ? 30 : 100;
}

void revoke_often(const std::vector<const Invalidation*>& ways, const Holds& holds) {
    for (const Invalidation* how : ways)
        for (int round = 0; round < rounds_of(*how); round++) {
            Taken taken(*how);

            wait_for_a_hold(holds);
            taken.give_back();
            wait_for_a_hold(holds);
        }
}

void one_hold(const Subject& subject) {
    constexpr std::uint64_t most = 512; /* so many calls has one hold of RESOLVE */
    const auto ways = revokes_that_end(subject.source.invalidations);
    const Importer importer = attach(subject);
    ThreadReport by_reader, by_revoker;
    Holds holds;

    if (ways.empty())
        ksft::skip("this source has no revoke after which it gives the pages back");

    std::jthread reader([&] {
        run_and_report(by_reader, [&] {
            while (!holds.is_over)
                look_once(importer, std::min(subject.nr_pages, most), holds, by_reader);
        });
        holds.is_over = true;
    });

    run_and_report(by_revoker, [&] { revoke_often(ways, holds); });
    holds.is_over = true;
    reader.join();
    for (const ThreadReport& found : {by_reader, by_revoker})
        ksft::expect(found.differences == 0, found.first);
    ksft::note(std::to_string(holds.revoked) + " holds saw the buffer revoked, and " +
               std::to_string(holds.not_revoked) + " did not");
    ksft::expect(holds.revoked > 0, "a call between a revoke and its end gets -ENODEV");
    ksft::expect(holds.not_revoked > 0, "a call outside of a revoke does not get -ENODEV");
}

} // namespace

std::vector<Law> notice_laws() {
    return {
        {"invalidate.only_when_taken",
         "what takes no page away calls no importer's callback (P2, P5)",
         {Need::get_pfn, Need::harmless},
         only_when_taken},
        {"invalidate.every_buffer",
         "what takes away the pages of a device tells the importers of each buffer of the device, "
         "and each buffer has pages again afterwards (P2, P4, P5)",
         {Need::get_pfn, Need::invalidation, Need::sibling},
         every_buffer},
        {"invalidate.one_hold",
         "within one hold of the lock a buffer is revoked or not, beside revokes (contract 1b, P4)",
         {Need::get_pfn, Need::invalidation},
         one_hold},
    };
}

} // namespace check
