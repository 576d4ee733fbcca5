// SPDX-License-Identifier: GPL-2.0
#include "subject.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <unistd.h>

#include "fixture.hpp"

namespace check {

using namespace testexp;

namespace {

std::uint64_t length_in_pages(int fd) {
    const off_t bytes = lseek(fd, 0, SEEK_END);

    if (bytes < 0)
        throw std::runtime_error(errno_error("the length of the dma-buf").what);
    return static_cast<std::uint64_t>(bytes) / page_bytes();
}

/*
 * Whether the exporter has get_pfn. Without get_pfn, an importer without a device cannot attach,
 * and get_pfn for an importer with a device is -EINVAL.
 */
bool asks_get_pfn(const Importer& importer, bool device_less) {
    return device_less || importer.resolve(0, 1).value()[0].error != -EINVAL;
}

/*
 * Whether the exporter has get_pfn_attrs. Without it the core returns -EOPNOTSUPP before the core
 * looks at pgoff. So a call for the page behind the end shows whether the exporter has the op.
 */
bool asks_attributes(const Importer& importer, std::uint64_t nr_pages) {
    return importer.describe(nr_pages, TESTEXP_DESCRIBE_ATTRS).code() != EOPNOTSUPP;
}

/* Both are in the order of their pages. Where both have a page, the answer of @one counts. */
std::vector<Answer> merged(const std::vector<Answer>& one, const std::vector<Answer>& other) {
    std::vector<Answer> all;

    std::ranges::merge(one, other, std::back_inserter(all), {}, &Answer::pgoff, &Answer::pgoff);

    const auto same_page = [](const Answer& a, const Answer& b) { return a.pgoff == b.pgoff; };

    all.erase(std::unique(all.begin(), all.end(), same_page), all.end());
    return all;
}

} // namespace

Subject make_subject(Source source, std::uint64_t page_limit) {
    Subject subject;
    std::string refusals;

    subject.source = std::move(source);
    subject.page_limit = page_limit;
    subject.nr_pages = length_in_pages(subject.fd());
    for (const std::uint32_t flags :
         {std::uint32_t{TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE},
          std::uint32_t{TESTEXP_ATTACH_DYNAMIC}, std::uint32_t{0}}) {
        const Result<Importer> importer = device().attach(subject.fd(), flags);

        if (!importer) {
            refusals = importer.error().what;
            continue;
        }
        subject.attach_flags = flags;
        subject.has_get_pfn =
            asks_get_pfn(importer.value(), (flags & TESTEXP_ATTACH_NO_DEVICE) != 0);
        subject.has_attributes =
            subject.has_get_pfn && asks_attributes(importer.value(), subject.nr_pages);
        if (subject.has_get_pfn)
            subject.first_answers = ask_pages(subject, importer.value());
        return subject;
    }
    throw std::runtime_error("no importer can attach: " + refusals);
}

std::string cause_of(int describe_code) {
    if (describe_code != EUCLEAN)
        return "";
    return " (EUCLEAN: the call failed and yet wrote; or a type or cache mode that is none; or RAM "
           "with a provider, or MMIO with a provider that was never written; or encrypted pages "
           "where the kernel encrypts no memory)";
}

void expect_no_bugs(const std::vector<std::string>& bugs) {
    for (const std::string& line : bugs)
        ksft::record_failure("the kernel log: " + line, __FILE__, __LINE__);
}

std::string summary_of(const Subject& subject) {
    return subject.source.name + ": " + std::to_string(subject.nr_pages) +
           " pages; get_pfn: " + (subject.has_get_pfn ? "yes" : "no") +
           "; get_pfn_attrs: " + (subject.has_attributes ? "yes" : "no");
}

Importer attach(const Subject& subject) {
    return device().attach(subject.fd(), subject.attach_flags).value();
}

std::vector<Answer> ask_windows(const Importer& importer, const std::vector<Window>& windows,
                                std::uint32_t resolve_flags) {
    std::vector<Answer> answers;

    answers.reserve(count_pages(windows));
    for (const Window& window : windows) {
        std::uint64_t pgoff = window.first;

        for (const testexp_result& result :
             importer.resolve(window.first, window.count, 1, resolve_flags).value())
            answers.push_back({.pgoff = pgoff++, .result = result, .attributes = {}});
    }
    return answers;
}

std::vector<Answer> ask_pages(const Subject& subject, const Importer& importer,
                              std::uint32_t resolve_flags) {
    std::vector<Answer> answers = ask_windows(
        importer, pages_to_ask(subject.nr_pages, subject.page_limit, seed()), resolve_flags);

    if (answers.size() == subject.nr_pages)
        return answers;
    return merged(
        answers, ask_windows(importer,
                             pages_of_blocks(answers, subject.nr_pages, subject.page_limit, seed()),
                             resolve_flags));
}

void add_attributes(const Importer& importer, std::vector<Answer>& answers) {
    for (Answer& answer : answers) {
        if (!answer.has_pfn())
            continue;

        const Result<testexp_describe> described =
            importer.describe(answer.pgoff, TESTEXP_DESCRIBE_ATTRS);

        if (ksft::expect_eq(described.code(), 0,
                            "error of get_pfn_attrs for page " + std::to_string(answer.pgoff) +
                                cause_of(described.code())))
            answer.attributes = {.type = described.value().type,
                                 .cache = described.value().cache,
                                 .has_pci_provider = (described.value().attributes &
                                                      TESTEXP_DESCRIBED_PCI_PROVIDER) != 0};
    }
}

std::vector<Answer> ask_all(const Subject& subject) {
    const Importer importer = attach(subject);
    std::vector<Answer> answers = ask_pages(subject, importer);

    if (subject.has_attributes)
        add_attributes(importer, answers);
    return answers;
}

void expect_same_answers(const std::vector<Answer>& is, const std::vector<Answer>& must_be,
                         const std::string& what) {
    ksft::expect_eq(is.size(), must_be.size(), "pages asked, " + what);
    for (std::size_t i = 0; i < std::min(is.size(), must_be.size()); i++)
        if (!same(is[i].result, must_be[i].result))
            ksft::record_failure("page " + std::to_string(must_be[i].pgoff) + ", " + what +
                                     ": is " + describe(is[i].result) + ", was " +
                                     describe(must_be[i].result),
                                 __FILE__, __LINE__);
}

std::string coverage(const Subject& subject, const std::vector<Answer>& answers) {
    if (answers.size() == subject.nr_pages)
        return "all " + std::to_string(answers.size()) + " pages";
    return std::to_string(answers.size()) + " of " + std::to_string(subject.nr_pages) + " pages";
}

} // namespace check
