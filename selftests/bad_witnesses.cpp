// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: three values that look like PFNs must not be trusted as PFNs, because they lead to wrong
 * pages (P17): the page links of an sg_table under CONFIG_DMABUF_DEBUG, and DMA addresses behind an
 * IOMMU or swiotlb.
 *
 * Method: each value is compared with get_pfn for all pages, once where it must be wrong, and as
 * the control where it happens to be right.
 *
 * Does not see: other IOMMUs and other ways of bouncing. Needs a guest with an IOMMU (scripts/vm
 * --iommu, TESTEXP_IMPORTER_DEVICE=0000:00:10.0), a guest with swiotlb=force, and a kernel with
 * CONFIG_DMABUF_DEBUG; skips elsewhere.
 */
#include <vector>

#include "fixture.hpp"

using namespace testexp;

namespace {

/* The segments fit into swiotlb, which bounces 256 KiB at once. */
CreateSpec scattered_blocks() {
    return {.layout = Layout{}.ram(8, {.align_order = 3, .repeat = 64}),
            .flags = TESTEXP_CREATE_SCATTER};
}

struct Compared {
    std::uint64_t pages = 0;
    std::uint64_t wrong = 0;
};

/* @first_pfn: the suspected PFN of the first page of a segment. */
template <typename FirstPfn> Compared compare(const FirstPfn& first_pfn) {
    const Buffer buffer = device().create(scattered_blocks()).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const std::vector<testexp_result> answers = importer.resolve(0, buffer.nr_pages).value();
    Compared compared;

    for (const testexp_map_entry& entry : importer.map().value())
        for (std::uint64_t page = 0; page < entry.length_bytes / page_bytes(); page++)
            compared.wrong += answers.at(compared.pages++).pfn != first_pfn(entry) + page;
    ksft::expect_eq(compared.pages, buffer.nr_pages, "pages mapped");
    ksft::note(std::to_string(compared.wrong) + " of " + std::to_string(compared.pages) +
               " pages are wrong");
    return compared;
}

std::uint64_t dma_pfn(const testexp_map_entry& entry) {
    return entry.dma_address / page_bytes();
}

std::uint64_t link_pfn(const testexp_map_entry& entry) {
    return entry.link_pfn;
}

void links_are_bad() {
    REQUIRE(device().has(TESTEXP_FEAT_DMABUF_DEBUG), "the kernel leaves page links as they are");

    const Compared compared = compare(link_pfn);

    ksft::expect_eq(compared.wrong, compared.pages, "pages that the links get wrong");
}

void links_are_good() {
    REQUIRE(!device().has(TESTEXP_FEAT_DMABUF_DEBUG), "CONFIG_DMABUF_DEBUG makes all links wrong");
    REQUIRE(dma_kind() == DmaKind::direct, "an IOMMU may merge segments, links stay apart");
    ksft::expect_eq(compare(link_pfn).wrong, 0, "pages that the links get wrong");
}

/* A few addresses may be right by chance; they say nothing about the rest. */
void addresses_are_bad(DmaKind kind, const char* why_not) {
    if (dma_kind() != kind)
        ksft::skip(why_not);

    const Compared compared = compare(dma_pfn);

    ksft::expect(compared.wrong > compared.pages / 2,
                 "most DMA addresses are no physical addresses: " + std::to_string(compared.wrong));
}

void addresses_are_good() {
    REQUIRE(dma_kind() == DmaKind::direct, "DMA is not direct");
    ksft::expect_eq(compare(dma_pfn).wrong, 0, "pages that the DMA addresses get wrong");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    plan.add("P17.bad_witness[links,DMABUF_DEBUG=y]", links_are_bad);
    plan.add("P17.bad_witness[DMA_addresses,behind=iommu]", [] {
        addresses_are_bad(DmaKind::iommu, "the importers' device is behind no IOMMU: "
                                          "scripts/vm --iommu, TESTEXP_IMPORTER_DEVICE");
    });
    plan.add("P17.bad_witness[DMA_addresses,behind=swiotlb]", [] {
        addresses_are_bad(DmaKind::swiotlb, "the kernel was not booted with swiotlb=force");
    });
    plan.add("P17.bad_witness_control[links,DMABUF_DEBUG=n]", links_are_good);
    plan.add("P17.bad_witness_control[DMA_addresses,direct]", addresses_are_good);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
