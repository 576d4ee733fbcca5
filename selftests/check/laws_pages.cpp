// SPDX-License-Identifier: GPL-2.0
/* Section 1 of the contract, page by page: answers, errors, forms of the call, bounds. */
#include <algorithm>
#include <limits>
#include <random>
#include <utility>

#include <unistd.h>

#include "fixture.hpp"
#include "law.hpp"

namespace check {

using namespace testexp;

namespace {

void expect_untouched(const testexp_result& result, const std::string& what) {
    ksft::expect(result.pfn == TESTEXP_UNTOUCHED_PFN, what + ": *pfn is as before the call");
    ksft::expect(result.max_order == TESTEXP_UNTOUCHED_ORDER,
                 what + ": *max_order is as before the call");
}

/* A page without a PFN is a hole, or has no PFN for the CPU. */
bool is_documented(int error) {
    return error == -ENXIO || error == -EOPNOTSUPP;
}

void answers(const Subject& subject) {
    std::uint64_t without = 0;
    const std::vector<Answer> all = ask_pages(subject, attach(subject));

    for (const Answer& answer : all) {
        if (answer.has_pfn()) {
            ksft::expect(answer.result.pfn != TESTEXP_UNTOUCHED_PFN &&
                             answer.result.max_order != TESTEXP_UNTOUCHED_ORDER,
                         page(answer.pgoff) + ": success writes *pfn and *max_order");
            continue;
        }
        without++;
        ksft::expect(is_documented(answer.result.error),
                     page(answer.pgoff) + ": error " + std::to_string(answer.result.error) +
                         " is -ENXIO (a hole) or -EOPNOTSUPP (no PFN for the CPU)");
        expect_untouched(answer.result, page(answer.pgoff));
    }
    ksft::note("asked " + coverage(subject, all) + "; " + std::to_string(without) + " have no PFN");
    if (std::ranges::all_of(
            all, [](const Answer& answer) { return answer.result.error == -EOPNOTSUPP; }))
        ksft::skip("no page has a PFN for the CPU (-EOPNOTSUPP), so there is nothing to check");
    ksft::expect(without < all.size(), "at least one page has a PFN");
}

void forms_agree(const Subject& subject) {
    const Importer importer = attach(subject);
    const std::vector<Answer> unlocked = ask_pages(subject, importer);

    expect_same_answers(ask_pages(subject, importer, TESTEXP_RESOLVE_LOCKED), unlocked,
                        "dma_buf_get_pfn() under one hold of the lock for 512 calls");
    expect_same_answers(ask_pages(subject, attach(subject)), unlocked, "by another importer");
    ksft::note("asked " + coverage(subject, unlocked));
}

/* A buffer with its importer, and what the importer got for the first pages in one call. */
struct Asked {
    std::string name;
    Importer importer;
    std::vector<testexp_result> together;
    const Reference* reference; /* or nullptr */
};

Asked ask_together(const std::string& name, const Subject& subject, int fd,
                   const Reference* reference) {
    constexpr std::uint64_t most = 4096;
    const auto nr_pages = static_cast<std::uint64_t>(lseek(fd, 0, SEEK_END)) / page_bytes();
    Importer importer = device().attach(fd, subject.attach_flags).value();
    std::vector<testexp_result> together = importer.resolve(0, std::min(nr_pages, most)).value();

    return {name, std::move(importer), std::move(together), reference};
}

const Reference* reference_of(const Source& source) {
    return source.references.empty() ? nullptr : &source.references.front();
}

void expect_alone_as_together(const Asked& asked, std::uint64_t pgoff) {
    const testexp_result result = asked.importer.resolve(pgoff, 1).value()[0];
    const std::string what = page(pgoff) + " of " + asked.name + ": is " + describe(result);

    if (!same(result, asked.together[pgoff]))
        ksft::record_failure(what + ", but in one call with other pages " +
                                 describe(asked.together[pgoff]),
                             __FILE__, __LINE__);

    const auto pfn = asked.reference ? asked.reference->pfn(pgoff) : std::nullopt;

    if (pfn && !result.error && result.pfn != *pfn)
        ksft::record_failure(what + ", but " + asked.reference->name + " says PFN " +
                                 std::to_string(*pfn),
                             __FILE__, __LINE__);
}

/* Asks for one page of each buffer by turns. */
void beside_another(const Subject& subject) {
    constexpr std::size_t most = 512;
    const auto& sibling = subject.source.sibling;
    const std::optional<Source> made =
        sibling ? std::nullopt : std::optional(subject.make_another());
    const Asked one =
        ask_together("the buffer", subject, subject.fd(), reference_of(subject.source));
    const Asked other =
        sibling ? ask_together("its sibling", subject, sibling->buffer.get(), &sibling->reference)
                : ask_together("another buffer", subject, made->buffer.get(), reference_of(*made));
    const std::size_t count = std::min(one.together.size(), other.together.size());

    for (std::size_t pgoff = 0; pgoff < count; pgoff += std::max<std::size_t>(count / most, 1)) {
        expect_alone_as_together(one, pgoff);
        expect_alone_as_together(other, pgoff);
    }
}

void without_order(const Subject& subject) {
    const Importer importer = attach(subject);

    for (const Form& form : forms) {
        const std::vector<Window> windows =
            pages_to_ask(subject.nr_pages, subject.page_limit, seed());
        std::vector<Answer> expected = ask_windows(importer, windows, form.flags);

        for (Answer& answer : expected)
            answer.result.max_order = TESTEXP_UNTOUCHED_ORDER;
        expect_same_answers(ask_windows(importer, windows, form.flags | TESTEXP_RESOLVE_NO_ORDER),
                            expected, std::string("max_order NULL, ") + form.name);
    }
}

/* One call for each page, in random order: no answer may depend on the call before it. */
void any_order(const Subject& subject) {
    constexpr std::size_t most = 5000;
    const Importer importer = attach(subject);
    std::vector<Answer> expected = ask_pages(subject, importer);
    std::mt19937_64 random(seed());

    std::ranges::shuffle(expected, random);
    expected.resize(std::min(expected.size(), quick() ? most / 5 : most));
    for (const Answer& answer : expected) {
        const testexp_result result = importer.resolve(answer.pgoff, 1).value()[0];

        if (!same(result, answer.result))
            ksft::record_failure(page(answer.pgoff) + " asked alone: is " + describe(result) +
                                     ", was " + describe(answer.result),
                                 __FILE__, __LINE__);
    }
}

/* Values of pgoff behind the end. Some overflow 32 bits, some overflow as a number of bytes. */
std::vector<std::uint64_t> behind_the_end(std::uint64_t nr_pages) {
    constexpr std::uint64_t one = 1;
    std::vector<std::uint64_t> pgoffs{nr_pages, nr_pages + 1, nr_pages + 511, 2 * nr_pages};

    for (const std::uint64_t at : {one << 31, one << 32, one << 51, one << 52, one << 63})
        for (const std::uint64_t add : {std::uint64_t{0}, std::uint64_t{1}, nr_pages - 1})
            pgoffs.push_back(at + add);
    pgoffs.push_back(std::numeric_limits<std::uint64_t>::max());
    std::erase_if(pgoffs, [=](std::uint64_t pgoff) { return pgoff < nr_pages; });
    return pgoffs;
}

void bounds(const Subject& subject) {
    const Importer importer = attach(subject);

    for (const Form& form : forms)
        for (const std::uint32_t order : {std::uint32_t{0}, TESTEXP_RESOLVE_NO_ORDER})
            for (const std::uint64_t pgoff : behind_the_end(subject.nr_pages))
                expect_refused(importer.resolve(pgoff, 1, 1, form.flags | order).value()[0], EINVAL,
                               "pgoff " + std::to_string(pgoff) + ", " + form.name);
}

/* A window that reaches over the end. Each page inside has the answer of a call for this page. */
void window_over_the_end(const Subject& subject) {
    const Importer importer = attach(subject);
    const std::uint64_t inside = std::min<std::uint64_t>(subject.nr_pages, 3);
    const std::uint64_t first = subject.nr_pages - inside;

    for (const Form& form : forms) {
        const std::vector<testexp_result> results =
            importer.resolve(first, inside + 2, 1, form.flags).value();

        for (std::uint64_t i = 0; i < results.size(); i++) {
            const std::string what = page(first + i) + ", " + form.name;

            if (i >= inside)
                expect_refused(results[i], EINVAL, what);
            else if (const auto alone = importer.resolve(first + i, 1).value()[0];
                     !same(results[i], alone))
                ksft::record_failure(what + ": is " + describe(results[i]) + ", alone " +
                                         describe(alone),
                                     __FILE__, __LINE__);
        }
    }
}

/*
 * The errors must be those of get_pfn. The module returns EUCLEAN for a call that failed and yet
 * wrote to its result.
 */
void attributes(const Subject& subject) {
    const Importer importer = attach(subject);
    const std::vector<Answer> all = ask_pages(subject, importer);

    const auto expect_error = [&](std::uint64_t pgoff, int expected) {
        const int code = importer.describe(pgoff, TESTEXP_DESCRIBE_ATTRS).code();

        ksft::expect_eq(code, expected,
                        "error of get_pfn_attrs for " + page(pgoff) + cause_of(code));
    };

    for (const Answer& answer : all)
        expect_error(answer.pgoff, -answer.result.error);
    for (const std::uint64_t pgoff : behind_the_end(subject.nr_pages))
        expect_error(pgoff, EINVAL);
}

/* Where the exporter has no get_pfn, the core returns -EINVAL, and logs nothing. */
void refused_without_get_pfn(const Subject& subject) {
    const Importer importer = attach(subject);

    for (const Form& form : forms)
        for (const std::uint32_t order : {std::uint32_t{0}, TESTEXP_RESOLVE_NO_ORDER})
            for (const std::uint64_t pgoff : {std::uint64_t{0}, subject.nr_pages - 1})
                expect_refused(importer.resolve(pgoff, 1, 1, form.flags | order).value()[0], EINVAL,
                               page(pgoff) + ", " + form.name);
}

} // namespace

std::vector<Law> page_laws() {
    return {
        {"page.silent_at_first",
         "the kernel reports no bug while the buffer is made and each page is asked for the first "
         "time (contract 1)",
         {},
         [](const Subject& subject) { expect_no_bugs(subject.first_bugs); }},
        {"page.answers",
         "each page has a PFN, or the error -ENXIO or -EOPNOTSUPP that writes nothing (contract 1)",
         {Need::get_pfn},
         answers},
        {"page.forms_agree",
         "the locked and the unlocked form have the same answers (contract 1)",
         {Need::get_pfn},
         forms_agree},
        {"page.any_order",
         "the answer for a page does not depend on the calls before (contract 1)",
         {Need::get_pfn},
         any_order},
        {"page.beside_another_buffer",
         "the answer for a page does not depend on calls for another buffer (contract 1)",
         {Need::get_pfn, Need::two_buffers},
         beside_another},
        {"page.without_max_order",
         "max_order may be NULL, and then the PFN is the same (contract 1)",
         {Need::get_pfn},
         without_order},
        {"page.bounds",
         "a pgoff behind the end gives -EINVAL and writes nothing (contract 1)",
         {Need::get_pfn},
         bounds},
        {"page.window_over_the_end",
         "a window over the end has good answers inside, and -EINVAL behind the end (contract 1)",
         {Need::get_pfn},
         window_over_the_end},
        {"page.attributes",
         "get_pfn_attrs has the bounds and errors of get_pfn, and writes nothing on error "
         "(contract 1b)",
         {Need::get_pfn, Need::attributes},
         attributes},
        {"page.refused_without_get_pfn",
         "an exporter without get_pfn gives -EINVAL, silently (contract 1)",
         {Need::no_get_pfn},
         refused_without_get_pfn},
    };
}

} // namespace check
