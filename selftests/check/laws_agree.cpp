// SPDX-License-Identifier: GPL-2.0
/* P13, P14 and P17: get_pfn and get_pfn_attrs agree with everything else that shows the pages. */
#include <algorithm>
#include <bit>
#include <cerrno>

#include "dma_segments.hpp"
#include "fixture.hpp"
#include "iomem.hpp"
#include "law.hpp"
#include "lifetime.hpp"
#include "mapped.hpp"
#include "page_entry.hpp"
#include "waiting.hpp"

namespace check {

using namespace testexp;

namespace {

void expect_pfn(const Answer& answer, std::uint64_t expected, const std::string& of) {
    if (answer.has_pfn() && answer.result.pfn != expected)
        ksft::record_failure(page(answer.pgoff) + ": get_pfn says PFN " + hex(answer.result.pfn) +
                                 ", and " + of + " says " + hex(expected),
                             __FILE__, __LINE__);
}

/* What has a page is no hole. -EOPNOTSUPP says nothing of this: the page is there for others. */
void expect_hole(const Answer& answer, bool is_page, const std::string& of) {
    if (answer.result.error == -ENXIO && is_page)
        ksft::record_failure(page(answer.pgoff) + ": get_pfn says -ENXIO (a hole), and " + of +
                                 " has a page there",
                             __FILE__, __LINE__);
}

void compare(const Subject& subject, const std::vector<Answer>& answers,
             const Reference& reference) {
    std::uint64_t compared = 0;

    for (const Answer& answer : answers) {
        const std::optional<std::uint64_t> expected = reference.pfn(answer.pgoff);

        if (!expected)
            continue;
        compared++;
        ksft::expect_eq(answer.result.error, 0,
                        page(answer.pgoff) + ", which " + reference.name + " knows: error");
        expect_pfn(answer, *expected, reference.name);
    }
    ksft::note("compared " + std::to_string(compared) + " of " + std::to_string(subject.nr_pages) +
               " pages with " + reference.name);
    ksft::expect(compared > 0, reference.name + " knows a page");
}

void with_reference(const Subject& subject) {
    const std::vector<Answer> answers = ask_all(subject);

    for (const Reference& reference : subject.source.references)
        compare(subject, answers, reference);
}

void with_iommufd(const Subject& subject) {
    compare(subject, ask_all(subject), *subject.source.iommufd);
}

/* Reads some pages that are holes, as get_pfn says: the first and the last holes. */
void expect_no_page_in_holes(const Subject& subject, std::vector<Answer> answers) {
    constexpr std::size_t at_each_end = 8;

    std::erase_if(answers, [](const Answer& answer) { return answer.result.error != -ENXIO; });
    if (answers.empty())
        return;

    const Mapping mapping = map_or_skip(subject);

    for (std::size_t i = 0; i < answers.size(); i++)
        if (i < at_each_end || i + at_each_end >= answers.size())
            expect_hole(
                answers[i],
                signal_of_reading(mapping.bytes().data() + answers[i].pgoff * page_bytes()) == 0,
                "the exporter's mmap");
}

void with_mmap(const Subject& subject) {
    const std::vector<Answer> answers = ask_all(subject);

    expect_no_page_in_holes(subject, answers);

    const MappedPages mapped = mapped_pages(subject, answers);

    for (std::size_t i = 0; i < answers.size(); i++) {
        if (!answers[i].has_pfn())
            continue;
        if (const auto fault = entry_fault(answers[i].result, mapped.entries[i]))
            ksft::record_failure(page(answers[i].pgoff) + ", by " + mapped.name + ": " + *fault,
                                 __FILE__, __LINE__);
    }
    ksft::note("compared " + coverage(subject, answers) + " with " + mapped.name);
}

const char* name_of_cache(std::uint32_t cache) {
    constexpr const char* names[] = {"WB", "UC", "WC"};

    return cache < TESTEXP_CACHE_MODES ? names[cache] : "unknown";
}

void cache_of_mmap(const Subject& subject) {
    const std::vector<Answer> answers = ask_all(subject);
    const MappedPages mapped = mapped_pages(subject, answers);

    if (!mapped.has_cache)
        ksft::skip("the mapping is not VM_PFNMAP, so only the PFNs can be read");
    for (std::size_t i = 0; i < answers.size(); i++) {
        const Answer& answer = answers[i];
        const testexp_walked& entry = mapped.entries[i];

        if (answer.attributes && entry.error == 0 && answer.attributes->cache != entry.cache)
            ksft::record_failure(page(answer.pgoff) + ": get_pfn_attrs says " +
                                     name_of_cache(answer.attributes->cache) + ", and mmap uses " +
                                     name_of_cache(entry.cache),
                                 __FILE__, __LINE__);
    }
}

void with_dma_addresses(const Subject& subject) {
    require_direct_dma();

    const std::vector<testexp_map_entry> segments = segments_or_skip(attach_for_map(subject));
    const std::vector<Answer> answers = ask_all(subject);
    std::uint64_t first = 0; /* page of the segment */
    auto answer = answers.begin();

    for (const testexp_map_entry& segment : segments) {
        const std::uint64_t length = segment.length_bytes / page_bytes();

        ksft::expect_eq((segment.dma_address | segment.length_bytes) % page_bytes(), 0,
                        "remainder of address and length by the page size, segment at " +
                            page(first));
        for (; answer != answers.end() && answer->pgoff < first + length; answer++) {
            expect_hole(*answer, true, "map_dma_buf");
            expect_pfn(*answer, segment.dma_address / page_bytes() + answer->pgoff - first,
                       "the DMA address");
            if (subject.source.segments_are_blocks && answer->has_pfn())
                ksft::expect(answer->result.max_order >= std::countr_zero(length),
                             page(answer->pgoff) + ": max_order " +
                                 std::to_string(answer->result.max_order) +
                                 " is at least the order of its segment");
        }
        first += length;
    }
    ksft::expect_eq(first, subject.nr_pages, "pages of all segments");
    ksft::note("compared " + coverage(subject, answers) + " with " +
               std::to_string(segments.size()) + " segments");
}

/*
 * The first and the last pages: so few that their answers fit into memory that malloc() has
 * already. See HeldMapping.
 */
std::vector<Window> some_pages(const Subject& subject) {
    constexpr std::uint64_t at_each_end = 256;
    const std::uint64_t count = std::min(subject.nr_pages, at_each_end);

    return joined({{0, count}, {subject.nr_pages - count, count}});
}

/*
 * Where DMA addresses are not physical addresses, this law finds an exporter that computes a PFN
 * from a DMA address.
 */
void while_mapped(const Subject& subject) {
    const std::vector<Window> pages = some_pages(subject);
    const Importer importer = attach_for_map(subject);
    const Importer other = attach(subject);
    const std::vector<Answer> before = ask_windows(other, pages);

    require_holdable(importer);
    until_seen([&] {
        HeldMapping mapping(importer);
        const std::vector<Answer> answers = ask_windows(importer, pages);
        const std::vector<Answer> of_other = ask_windows(other, pages);
        const bool seen = mapping.is_held();

        mapping.release();
        if (seen) {
            expect_same_answers(answers, before, "while the importer has the buffer mapped");
            expect_same_answers(of_other, before, "while another importer has the buffer mapped");
        }
        return seen;
    });
}

/* An importer that maps for DMA by itself has to ask the provider how the DMA gets there. */
void provider_of_each_page(const Subject& subject) {
    if (!subject.source.has_pci_provider)
        ksft::skip("the provider is known only where the source exports memory of a PCI device");
    for (const Answer& answer : ask_all(subject))
        if (answer.attributes && !answer.attributes->has_pci_provider)
            ksft::record_failure(page(answer.pgoff) +
                                     ": get_pfn_attrs has no provider that belongs to a PCI device",
                                 __FILE__, __LINE__);
}

void with_memory_map(const Subject& subject) {
    const Iomem iomem = Iomem::read();

    for (const Answer& answer : ask_all(subject)) {
        if (!answer.has_pfn())
            continue;

        const std::string where = iomem.name_of(answer.result.pfn * page_bytes());
        const bool is_memory = Iomem::is_memory(where);
        const bool says_mmio = answer.attributes && answer.attributes->type == TESTEXP_EXTENT_MMIO;
        const std::string text = page(answer.pgoff) + ", PFN " + hex(answer.result.pfn) +
                                 ", is in /proc/iomem: '" + where + "'";

        ksft::expect(!Iomem::is_kernel(where), text + ", so not in the kernel's own memory");
        if (answer.attributes)
            ksft::expect(is_memory != says_mmio,
                         text + ", so its type is " + (says_mmio ? "not MMIO" : "not RAM"));
        else
            ksft::expect(!where.empty(), text + ", so it is memory or a device");
    }
}

void no_page_twice(const Subject& subject) {
    std::vector<Answer> answers = ask_all(subject);

    std::erase_if(answers, [](const Answer& answer) { return !answer.has_pfn(); });
    std::ranges::sort(answers, {}, [](const Answer& answer) { return answer.result.pfn; });
    for (std::size_t i = 1; i < answers.size(); i++)
        if (answers[i].result.pfn == answers[i - 1].result.pfn)
            ksft::record_failure(page(answers[i - 1].pgoff) + " and " + page(answers[i].pgoff) +
                                     " both have PFN " + hex(answers[i].result.pfn),
                                 __FILE__, __LINE__);
}

} // namespace

std::vector<Law> agreement_laws() {
    return {
        {"agree.reference",
         "each PFN is the one that the source has from elsewhere: a pagemap, a BAR in sysfs (P17)",
         {Need::get_pfn, Need::reference},
         with_reference},
        {"agree.iommufd",
         "each PFN is the one that iommufd has for a device without an IOMMU (P23)",
         {Need::get_pfn, Need::iommufd},
         with_iommufd},
        {"agree.mmap",
         "each PFN is the one in the page table of the exporter's mmap (P17)",
         {Need::get_pfn},
         with_mmap},
        {"agree.cache_mode",
         "the cache mode of get_pfn_attrs is the one that the exporter's mmap uses (P14)",
         {Need::get_pfn, Need::attributes},
         cache_of_mmap},
        {"agree.dma_addresses",
         "each PFN is the DMA address of map_dma_buf, where DMA addresses are physical (P17)",
         {Need::get_pfn},
         with_dma_addresses},
        {"agree.while_mapped",
         "each PFN is the same while this or another importer has the buffer mapped (P17)",
         {Need::get_pfn},
         while_mapped},
        {"agree.memory_map",
         "a page of type RAM is memory in /proc/iomem, a page of type MMIO is not (P13)",
         {Need::get_pfn, Need::real_pages},
         with_memory_map},
        {"agree.provider",
         "each page of a PCI device has a provider of peer-to-peer DMA (contract 1b)",
         {Need::get_pfn, Need::attributes},
         provider_of_each_page},
        {"agree.no_page_twice",
         "two pages of the buffer have different PFNs (P22)",
         {Need::get_pfn, Need::distinct},
         no_page_twice},
    };
}

} // namespace check
