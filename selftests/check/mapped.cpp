// SPDX-License-Identifier: GPL-2.0
#include "mapped.hpp"

#include <algorithm>
#include <cerrno>

#include "fixture.hpp"
#include "offer.hpp"

namespace check {

using namespace testexp;

namespace {

/* Walks the page table, with one call for each run of answers without a gap. */
std::vector<testexp_walked> walk(const Mapping& mapping, const std::vector<Answer>& answers) {
    std::vector<testexp_walked> entries;

    for (std::size_t begin = 0, end; begin < answers.size(); begin = end) {
        for (end = begin + 1; end < answers.size(); end++)
            if (answers[end].pgoff != answers[end - 1].pgoff + 1)
                break;

        const std::byte* address = mapping.bytes().data() + answers[begin].pgoff * page_bytes();
        const auto more = device().walk(address, end - begin, TESTEXP_WALK_FAULT_IN).value();

        entries.insert(entries.end(), more.begin(), more.end());
    }
    return entries;
}

/*
 * A read of a page that the exporter's mmap lacks gives SIGBUS. So the function skips where a page
 * has no PFN.
 */
std::vector<testexp_walked> read_pagemap(const Mapping& mapping,
                                         const std::vector<Answer>& answers) {
    if (!std::ranges::all_of(answers, &Answer::has_pfn))
        ksft::skip("the mapping is not VM_PFNMAP, and some pages have no PFN");

    const std::vector<std::uint64_t> pfns = pfns_in_pagemap(mapping);
    std::vector<testexp_walked> entries;

    for (const Answer& answer : answers)
        entries.push_back({.pfn = pfns.at(answer.pgoff), .cache = 0, .error = 0});
    return entries;
}

} // namespace

Result<Mapping> map_buffer(const Subject& subject) {
    return subject.source.map ? subject.source.map() : Mapping::map(subject.fd(), subject.nr_pages);
}

Mapping map_or_skip(const Subject& subject) {
    Result<Mapping> mapping = map_buffer(subject);

    if (is_not_offered(mapping.code()))
        ksft::skip("the exporter's mmap fails: " + mapping.error().what);
    return std::move(mapping).value();
}

MappedPages mapped_pages(const Subject& subject, const std::vector<Answer>& answers) {
    REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");

    const Mapping mapping = map_or_skip(subject);
    std::vector<testexp_walked> entries = walk(mapping, answers);
    const bool is_pfnmap = std::ranges::none_of(
        entries, [](const testexp_walked& entry) { return entry.error == -EINVAL; });

    if (is_pfnmap)
        return {std::move(entries), "follow_pfnmap_start() on the exporter's mmap", true};
    return {read_pagemap(mapping, answers), "the pagemap of the exporter's mmap", false};
}

} // namespace check
