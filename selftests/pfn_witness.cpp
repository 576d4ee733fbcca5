// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: pfn(pgoff) is the page that the bytes are in (P17): for every page of RAM, get_pfn agrees
 * with four reference values that do not depend on get_pfn.
 *
 * Method: /proc/self/pagemap through an mmap that shows pages; the DMA addresses of a mapping where
 * DMA is direct; follow_pfnmap_start() on a VM_PFNMAP mapping; and the bytes: what is written
 * through mmap is read by an importer through the PFNs, and the other way round. One case checks
 * all pages of a buffer of 1 GiB and prints the rate of resolving and checking, which no test
 * judges.
 *
 * Does not see: an exporter whose mmap, map and get_pfn are wrong in the same way. bad_witnesses
 * has the values that must not be trusted; mmio has the BAR.
 */
#include <chrono>
#include <vector>

#include "fixture.hpp"

using namespace testexp;

namespace {

constexpr std::uint64_t gib = std::uint64_t{1} << 30;

struct Named {
    const char* name;
    CreateSpec spec;
};

std::vector<Named> layouts() {
    const auto scattered = [](Layout layout) {
        return CreateSpec{.layout = std::move(layout), .flags = TESTEXP_CREATE_SCATTER};
    };

    return {
        {"one_page", {.layout = Layout{}.ram(1)}},
        {"one_block", {.layout = Layout{}.ram(1024, {.align_order = 10})}},
        {"pages", scattered(Layout{}.ram(1, {.repeat = 1500}))},
        {"blocks", scattered(Layout{}.ram(16, {.align_order = 4, .repeat = 100}))},
        {"odd", scattered(Layout{}.ram(3, {.align_order = 3, .skew = 5, .repeat = 50}).ram(700))},
    };
}

void agrees_with_pagemap(const CreateSpec& spec) {
    CreateSpec shown = spec;

    shown.flags |= TESTEXP_CREATE_SHOW_PAGES;
    const Buffer buffer = device().create(shown).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const std::vector<testexp_result> answers = importer.resolve(0, buffer.nr_pages).value();
    const std::vector<std::uint64_t> pfns =
        pfns_in_pagemap(Mapping::map(buffer.fd.get(), buffer.nr_pages).value());

    for (std::uint64_t pgoff = 0; pgoff < answers.size(); pgoff++)
        ksft::expect_eq(answers[pgoff].pfn, pfns.at(pgoff), "pfn at " + std::to_string(pgoff));
}

/* The PFN of each page, from the segments of a mapping. */
std::vector<std::uint64_t> mapped_pfns(const Importer& importer) {
    std::vector<std::uint64_t> pfns;

    for (const testexp_map_entry& entry : importer.map().value()) {
        ksft::expect_eq(entry.dma_address % page_bytes(), 0, "offset in page of a DMA address");
        ksft::expect_eq(entry.length_bytes % page_bytes(), 0, "length of a segment modulo a page");
        for (std::uint64_t done = 0; done < entry.length_bytes; done += page_bytes())
            pfns.push_back((entry.dma_address + done) / page_bytes());
    }
    return pfns;
}

void agrees_with_map(const CreateSpec& spec, std::uint32_t create_flags,
                     std::uint32_t attach_flags) {
    require_direct_dma();

    CreateSpec flagged = spec;

    flagged.flags |= create_flags;
    const Buffer buffer = device().create(flagged).value();
    const Importer importer = device().attach(buffer.fd.get(), attach_flags).value();
    const std::vector<testexp_result> answers = importer.resolve(0, buffer.nr_pages).value();
    const std::vector<std::uint64_t> pfns = mapped_pfns(importer);

    ksft::expect_eq(pfns.size(), answers.size(), "pages mapped");
    for (std::size_t pgoff = 0; pgoff < std::min(pfns.size(), answers.size()); pgoff++)
        ksft::expect_eq(answers[pgoff].pfn, pfns[pgoff], "pfn at " + std::to_string(pgoff));
}

/* Cold: the walk faults each page in. Warm: the pages are mapped before. */
void agrees_with_walk(const CreateSpec& spec) {
    REQUIRE(device().has(TESTEXP_FEAT_WALK), "the kernel has no follow_pfnmap_start()");

    const Buffer buffer = device().create(spec).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const std::vector<testexp_result> answers = importer.resolve(0, buffer.nr_pages).value();
    const Mapping mapping = Mapping::map(buffer.fd.get(), buffer.nr_pages).value();

    for (const std::uint32_t flags : {TESTEXP_WALK_FAULT_IN, 0U}) {
        const std::vector<testexp_walked> walked =
            device().walk(mapping.bytes().data(), buffer.nr_pages, flags).value();

        for (std::uint64_t pgoff = 0; pgoff < answers.size(); pgoff++) {
            ksft::expect_eq(walked[pgoff].error, 0, "WALK at " + std::to_string(pgoff));
            ksft::expect_eq(answers[pgoff].pfn, walked[pgoff].pfn,
                            "pfn at " + std::to_string(pgoff));
        }
    }
}

volatile std::uint64_t& word(const Mapping& mapping, std::uint64_t page, std::size_t index) {
    return reinterpret_cast<volatile std::uint64_t*>(mapping.bytes().data() +
                                                     page * page_bytes())[index];
}

/*
 * An importer uses its PFNs as a device would: it compares the first word, and adds 1 to the
 * second.
 */
void agrees_with_bytes(const CreateSpec& spec) {
    constexpr std::uint64_t signature = 0x5195a70000000000;
    const Buffer buffer = device().create(spec).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const Mapping mapping = Mapping::map(buffer.fd.get(), buffer.nr_pages).value();

    for (std::uint64_t page = 0; page < buffer.nr_pages; page++) {
        word(mapping, page, 0) = signature + page;
        word(mapping, page, 1) = signature - page;
    }
    (void)importer.fill({.count = buffer.nr_pages}).value();

    const testexp_use used = importer.use(signature, TESTEXP_USE_WRITE).value();

    ksft::expect_eq(used.used, buffer.nr_pages, "pages that the importer used");
    ksft::expect_eq(used.wrong + used.poisoned + used.gone, 0, "of these without the signature");
    for (std::uint64_t page = 0; page < buffer.nr_pages; page++)
        ksft::expect_eq(word(mapping, page, 1), signature - page + 1,
                        "second word of page " + std::to_string(page));

    /* The control: with two pages exchanged, exactly two are reported as wrong. */
    if (buffer.nr_pages > 1) {
        word(mapping, 0, 0) = signature + 1;
        word(mapping, 1, 0) = signature;
        ksft::expect_eq(importer.use(signature).value().wrong, 2, "pages that were swapped");
    }
}

/* The largest of 1 GiB, 512 MiB, ... that there is memory for. */
Subject largest_subject(std::uint32_t order) {
    for (std::uint64_t bytes = quick() ? gib / 8 : gib; bytes >= gib / 64; bytes /= 2) {
        const CreateSpec spec{.layout = Layout::uniform(bytes, order),
                              .flags = TESTEXP_CREATE_SCATTER};
        CreateSpec seen = spec;

        seen.flags |= reference_flags(spec.layout);
        Result<Buffer> buffer = device().create(seen);
        const int code = buffer.code();

        if (code == 0)
            return make_subject(spec.layout, std::move(buffer).value());
        if (code != ENOMEM && code != ENOSPC)
            ksft::fail("CREATE of " + spec.layout.describe() + " gave errno " +
                       std::to_string(code));
        ksft::note("no memory for " + spec.layout.describe() + ", trying half");
    }
    ksft::skip("no memory for a buffer of 16 MiB in extents of order " + std::to_string(order));
}

void every_page_of_a_large_buffer(std::uint32_t order) {
    using clock = std::chrono::steady_clock;

    const Subject subject = largest_subject(order);
    const Importer importer = device().attach(subject.buffer.fd.get()).value();

    for (const Form& form : forms) {
        const clock::time_point start = clock::now();

        expect_truth(importer, subject, form);

        const std::chrono::duration<double> elapsed = clock::now() - start;
        const auto nr_pages = static_cast<double>(subject.oracle.nr_pages());

        ksft::note("rate: " + std::to_string(subject.oracle.nr_pages()) +
                   " pages resolved and checked in " + std::to_string(elapsed.count()) +
                   " s: " + std::to_string(static_cast<std::uint64_t>(nr_pages / elapsed.count())) +
                   " pages/s (" + form.name + ", extents of order " + std::to_string(order) + ")");
    }
}

void make_plan(ksft::Plan& plan) {
    constexpr std::uint32_t dynamic_exporter = TESTEXP_CREATE_DYNAMIC;
    constexpr std::uint32_t dynamic_importer = TESTEXP_ATTACH_DYNAMIC;

    (void)device();
    for (const Named& named : layouts()) {
        const std::string layout = std::string(",layout=") + named.name;

        plan.add("P17.pfn_agrees[witness=pagemap" + layout + "]",
                 [=] { agrees_with_pagemap(named.spec); });
        plan.add("P17.pfn_agrees[witness=map" + layout + "]",
                 [=] { agrees_with_map(named.spec, 0, 0); });
        plan.add("P17.pfn_agrees[witness=map_of_dynamic_importer" + layout + "]",
                 [=] { agrees_with_map(named.spec, 0, dynamic_importer); });
        plan.add("P17.pfn_agrees[witness=follow_pfnmap" + layout + "]",
                 [=] { agrees_with_walk(named.spec); });
        plan.add("P17.pfn_agrees[witness=bytes" + layout + "]",
                 [=] { agrees_with_bytes(named.spec); });
        plan.add("P17.pfn_agrees[witness=map_dynamic" + layout + "]", [=] {
            REQUIRE(device().has(TESTEXP_FEAT_MOVE_NOTIFY),
                    "get_pfn of a dynamic exporter is refused");
            agrees_with_map(named.spec, dynamic_exporter, dynamic_importer);
        });
    }
    for (const std::uint32_t order : {9U, 0U})
        plan.add("P17.large_buffer[order=" + std::to_string(order) + "]",
                 [=] { every_page_of_a_large_buffer(order); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
