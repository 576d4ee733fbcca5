// SPDX-License-Identifier: GPL-2.0
/* P1, P7 and P8: several callers at once, a caller that is killed, and answers that stay. */
#include <atomic>
#include <fstream>
#include <thread>

#include <sys/mman.h>

#include "child.hpp"
#include "counts.hpp"
#include "fixture.hpp"
#include "law.hpp"
#include "thread_report.hpp"

namespace check {

using namespace testexp;

namespace {

constexpr unsigned int nr_threads = 4;

/* Asks for every page several times, in the two forms by turns. */
void ask_again_and_again(const Subject& subject, const Importer& importer, unsigned int rounds,
                         ThreadReport& found) {
    for (unsigned int round = 0; round < rounds; round++) {
        const Form& form = forms[round % std::size(forms)];
        const std::vector<Answer> answers = ask_pages(subject, importer, form.flags);

        /* Which pages are asked depends on the answers. */
        if (answers.size() != subject.first_answers.size()) {
            found.add("other blocks than before");
            continue;
        }
        for (std::size_t i = 0; i < answers.size(); i++)
            if (answers[i].pgoff != subject.first_answers[i].pgoff ||
                !same(answers[i].result, subject.first_answers[i].result))
                found.add("page " + std::to_string(answers[i].pgoff) + ", " + form.name + ": is " +
                          describe(answers[i].result) + ", was " +
                          describe(subject.first_answers[i].result));
    }
}

/* Attaches and detaches until the others are done. */
void attach_meanwhile(const Subject& subject, const std::atomic<bool>& is_over,
                      ThreadReport& found) {
    while (!is_over) {
        const Result<Importer> importer = device().attach(subject.fd(), subject.attach_flags);

        if (!importer)
            found.add("attach beside other importers: " + importer.error().what);
    }
}

void judge(const ThreadReport& found, const std::string& who) {
    if (found.differences)
        ksft::record_failure(who + ": " + std::to_string(found.differences) +
                                 " differences, the first: " + found.first,
                             __FILE__, __LINE__);
}

/* @shared: whether all threads use one importer. */
void threads(const Subject& subject, bool shared) {
    const unsigned int rounds = quick() || is_debug_kernel() ? 2 : 8;
    const Importer common = attach(subject);
    std::vector<ThreadReport> found(nr_threads + 1);
    std::vector<std::jthread> workers;
    std::atomic<bool> is_over = false;

    for (unsigned int i = 0; i < nr_threads; i++)
        workers.emplace_back([&, i] {
            run_and_report(found[i], [&] {
                if (shared)
                    ask_again_and_again(subject, common, rounds, found[i]);
                else
                    ask_again_and_again(subject, attach(subject), rounds, found[i]);
            });
        });

    std::jthread attacher([&] {
        run_and_report(found[nr_threads],
                       [&] { attach_meanwhile(subject, is_over, found[nr_threads]); });
    });

    workers.clear(); /* waits for each thread */
    is_over = true;
    attacher.join();
    for (unsigned int i = 0; i < nr_threads; i++)
        judge(found[i], "thread " + std::to_string(i));
    judge(found[nr_threads], "the thread that attaches");
}

/* The child counts its rounds here, so the parent sees that the child is at work. */
std::atomic<std::uint64_t>& shared_counter() {
    void* memory = mmap(nullptr, sizeof(std::atomic<std::uint64_t>), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        ksft::fail(errno_error("shared memory").what);
    return *new (memory) std::atomic<std::uint64_t>(0);
}

/* Never returns. Attaches, asks in both forms, and maps, again and again. */
int use_for_ever(const Subject& subject, std::atomic<std::uint64_t>& rounds) {
    for (;; rounds++) {
        const Importer first = attach(subject);
        const Importer second = attach(subject);

        (void)ask_windows(first, {{0, std::min<std::uint64_t>(subject.nr_pages, 4096)}});
        (void)ask_windows(second, {{0, std::min<std::uint64_t>(subject.nr_pages, 512)}},
                          TESTEXP_RESOLVE_LOCKED);
        (void)first.map(); /* an error is an answer as well */
    }
}

void killed(const Subject& subject) {
    const unsigned int times = quick() || is_debug_kernel() ? 20 : 200;
    const Counts before = count_all(subject);
    std::atomic<std::uint64_t>& rounds = shared_counter();

    for (unsigned int i = 0; i < times; i++) {
        const std::uint64_t enough = rounds + i % 3;
        Child child([&] { return use_for_ever(subject, rounds); });

        while (rounds <= enough && !child.has_ended())
            std::this_thread::yield();
        child.kill();
        ksft::expect_eq(signal_of(child.wait()), SIGKILL, "the signal that ended the importer");
    }
    expect_counts(subject, before, "after " + std::to_string(times) + " processes were killed");
    if (subject.has_get_pfn)
        expect_same_answers(ask_pages(subject, attach(subject)), subject.first_answers,
                            "after these processes");
}

/* The kernel moves pages that nobody has pinned. */
void compact_memory() {
    std::ofstream file("/proc/sys/vm/compact_memory");

    if (!(file << 1 << std::flush))
        ksft::note("this kernel does not compact memory when told (CONFIG_COMPACTION)");
}

void expect_still_there(const std::vector<Answer>& answers, const Reference& reference) {
    for (const Answer& answer : answers) {
        const std::optional<std::uint64_t> pfn = reference.pfn(answer.pgoff);

        if (answer.has_pfn() && pfn && *pfn != answer.result.pfn)
            ksft::record_failure(page(answer.pgoff) + ": the kernel has moved the page to PFN " +
                                     hex(*pfn) + ", as " + reference.name + " says, and get_pfn " +
                                     "says PFN " + hex(answer.result.pfn),
                                 __FILE__, __LINE__);
    }
}

/* The laws that ran before this law were the load, and the kernel now moves what it can. */
void stable(const Subject& subject) {
    expect_same_answers(ask_pages(subject, attach(subject)), subject.first_answers,
                        "since this program began");
    compact_memory();
    expect_same_answers(ask_pages(subject, attach(subject)), subject.first_answers,
                        "after the kernel has compacted memory");
    if (subject.source.read_reference)
        expect_still_there(subject.first_answers, subject.source.read_reference());
}

} // namespace

std::vector<Law> concurrency_laws() {
    return {
        {"concurrent.importers",
         "four importers that ask at once get the same answers, beside attach and detach (P7)",
         {Need::get_pfn},
         [](const Subject& subject) { threads(subject, false); }},
        {"concurrent.calls",
         "four threads that ask through one importer get the same answers (P7)",
         {Need::get_pfn},
         [](const Subject& subject) { threads(subject, true); }},
        {"concurrent.killed",
         "a process that is killed in the middle of its calls leaves nothing (P8)",
         {},
         killed},
        {"concurrent.stable",
         "without a move or a revoke each answer stays the same, and the kernel cannot move the "
         "pages (P1)",
         {Need::get_pfn},
         stable},
    };
}

} // namespace check
