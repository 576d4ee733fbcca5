// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: udmabuf, the system heap and vfio-pci give the right PFN and max_order for each page
 * (P17, P18), and the right type and cache mode (P14). While memory decode is off, get_pfn of a BAR
 * is -ENODEV. Importers are told when this state begins, and when it ends (P4, P5). A user who
 * exports 262,144 ranges of a BAR causes no line of a bug in the kernel log.
 *
 * Method: the reference values do not come from the exporter's get_pfn. They are the pagemap of
 * the memfd (udmabuf), the page table of a mapping and the DMA segments (system heap), and the BAR
 * in sysfs (vfio-pci). The oracle computes max_order from the reference values by brute force. The
 * BAR belongs to QEMU's edu device, which vfio-pci drives while a case runs.
 *
 * Does not see: kernels on which these exporters have no get_pfn (foreign_exporters); chunks of
 * the system heap, where a DMA address is no physical address; BARs without an IOMMU.
 */
#include <bit>

#include "edu.hpp"
#include "fixture.hpp"
#include "foreign_buffer.hpp"
#include "kernel_exporters.hpp"
#include "kmsg.hpp"
#include "reference_buffers.hpp"
#include "value_or_skip.hpp"
#include "vfio_binding.hpp"

using namespace testexp;

namespace {

void require_get_pfn(const KernelExporter& exporter) {
    REQUIRE(exporter.has_get_pfn(), std::string(exporter.name) + " has no get_pfn in this kernel");
}

/* Both forms give the exact answer for each page, and refuse the page behind the end. */
void expect_exact(const Importer& importer, const Oracle& oracle) {
    for (const Form& form : forms) {
        const auto results = importer.resolve(0, oracle.nr_pages() + 1, 1, form.flags).value();

        for (std::uint64_t pgoff = 0; pgoff < results.size(); pgoff++)
            if (!same(results[pgoff], oracle.expected(pgoff)))
                ksft::record_failure(std::string(form.name) + ", page " + std::to_string(pgoff) +
                                         ": is " + describe(results[pgoff]) + ", must be " +
                                         describe(oracle.expected(pgoff)),
                                     __FILE__, __LINE__);
    }
}

void expect_attrs(const Importer& importer, std::uint64_t nr_pages, const Page& kind) {
    for (const std::uint64_t pgoff : {std::uint64_t{0}, nr_pages - 1}) {
        const testexp_describe attrs = importer.describe(pgoff, TESTEXP_DESCRIBE_ATTRS).value();

        ksft::expect_eq(attrs.type, kind.type, "type");
        ksft::expect_eq(attrs.cache, kind.cache, "cache mode");
        ksft::expect_eq(attrs.attributes,
                        kind.type == TESTEXP_EXTENT_MMIO ? TESTEXP_DESCRIBED_PCI_PROVIDER : 0,
                        "attributes");
    }
    ksft::expect_eq(importer.describe(nr_pages, TESTEXP_DESCRIBE_ATTRS).code(), EINVAL,
                    "attributes behind the end");
}

/* --- udmabuf -------------------------------------------------------------- */

void udmabuf_is_exact(const UdmabufList& list) {
    require_get_pfn(udmabuf);

    const ReferenceBuffer buffer = make_udmabuf_list(list);
    const Oracle oracle(buffer.pages);

    for (const std::uint32_t flags :
         {0U, static_cast<std::uint32_t>(TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE)}) {
        const Importer importer = device().attach(buffer.fd.get(), flags).value();

        expect_exact(importer, oracle);
        expect_attrs(importer, oracle.nr_pages(), {});
    }
}

/* --- the system heap ------------------------------------------------------ */

/*
 * The order of the chunk of each page. Where DMA addresses are physical addresses, each DMA segment
 * is a chunk.
 */
std::vector<int> chunk_orders(const Importer& importer) {
    std::vector<int> orders;

    for (const testexp_map_entry& segment : importer.map().value()) {
        const std::uint64_t nr_pages = segment.length_bytes / page_bytes();

        orders.insert(orders.end(), nr_pages, std::countr_zero(nr_pages));
    }
    return orders;
}

void system_heap_is_exact(std::uint64_t nr_pages) {
    require_get_pfn(system_heap);

    const ReferenceBuffer buffer = make_system_heap(nr_pages);
    const Oracle oracle(buffer.pages);
    const Importer importer = device().attach(buffer.fd.get()).value();
    const bool direct = dma_kind() == DmaKind::direct;
    const std::vector<int> orders = direct ? chunk_orders(importer) : std::vector<int>();

    for (const Form& form : forms) {
        const auto results = importer.resolve(0, nr_pages, 1, form.flags).value();

        for (std::uint64_t pgoff = 0; pgoff < nr_pages; pgoff++) {
            const testexp_result& result = results[pgoff];
            const std::string page = std::string(form.name) + ", page " + std::to_string(pgoff);

            ksft::expect_eq(result.error, 0, page + ": error");
            ksft::expect_eq(result.pfn, buffer.pages[pgoff].pfn, page + ": pfn");
            ksft::expect(result.max_order <= oracle.expected(pgoff).max_order,
                         page + ": max_order is at most the exact order");
            if (direct)
                ksft::expect_eq(result.max_order, orders.at(pgoff), page + ": max_order");
        }
    }
    expect_attrs(importer, nr_pages, {});
}

/* --- vfio-pci ------------------------------------------------------------- */

VfioSpec spec_of(const VfioBinding& edu, const std::vector<Piece>& pieces) {
    return {.device = edu.device(), .region = 0, .ranges = vfio_ranges(pieces)};
}

void require_vfio() {
    REQUIRE(kernel_has_symbol("vfio_pci_dma_buf_get_pfn"),
            "vfio-pci has no get_pfn in this kernel");
}

constexpr std::uint32_t pfn_importer = TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE;

void vfio_is_exact(const BarRanges& wanted) {
    require_vfio();

    const VfioBinding edu(edu_id);
    const ForeignBuffer buffer = value_or_skip(make_vfio(spec_of(edu, wanted.pieces)));
    const Oracle oracle(pages_of_bar(edu.bar(0), wanted.pieces));
    const Importer importer = device().attach(buffer.fd.get(), pfn_importer).value();

    expect_exact(importer, oracle);
    expect_attrs(importer, oracle.nr_pages(), uncached_mmio);
}

/*
 * The ranges take 4 MiB, and so do their addresses. This is the largest block of the page
 * allocator, and the index for get_pfn has one entry more. The kernel may lack this memory.
 */
void vfio_takes_many_ranges() {
    require_vfio();

    const VfioBinding edu(edu_id);
    const std::vector<Piece> pieces(262144, Piece{0, 1});
    Kmsg log;
    Result<ForeignBuffer> made = make_vfio(spec_of(edu, pieces));

    if (made.code() == ENOMEM) {
        ksft::note("ENOMEM: this kernel has no memory for the ranges");
    } else {
        const ForeignBuffer buffer = value_or_skip(std::move(made));
        const Oracle oracle(pages_of_bar(edu.bar(0), pieces));
        const Importer importer = device().attach(buffer.fd.get(), pfn_importer).value();

        for (const std::uint64_t pgoff : {std::uint64_t{0}, std::uint64_t{1}, oracle.nr_pages() / 2,
                                          oracle.nr_pages() - 1, oracle.nr_pages()})
            ksft::expect_eq(describe(importer.resolve(pgoff, 1).value()[0]),
                            describe(oracle.expected(pgoff)), "page " + std::to_string(pgoff));
    }
    for (const std::string& line : log.new_bugs())
        ksft::expect(false, "the kernel log has: " + line);
}

void expect_revoked(const Importer& importer) {
    for (const Form& form : forms)
        for (const testexp_result& result : importer.resolve(0, 2, 1, form.flags).value())
            expect_refused(result, ENODEV, std::string("revoked, ") + form.name);
    ksft::expect_eq(importer.describe(0, TESTEXP_DESCRIBE_ATTRS).code(), ENODEV,
                    "attributes of a revoked buffer");
}

void vfio_revokes() {
    require_vfio();

    const VfioBinding edu(edu_id);
    const std::vector<Piece> pieces = {{128, 128}, {0, 64}};
    ForeignBuffer buffer = value_or_skip(make_vfio(spec_of(edu, pieces)));
    const Oracle oracle(pages_of_bar(edu.bar(0), pieces));
    const Importer importer = device().attach(buffer.fd.get(), pfn_importer).value();
    const auto fill_all = [&] { return importer.fill({.count = oracle.nr_pages()}).code(); };

    ksft::expect_eq(fill_all(), 0, "FILL before");
    for (std::uint64_t times = 0; times < 3; times++) {
        (void)buffer.device->set_memory_decode(false).value();
        ksft::expect_eq(importer.audit().value().notifies, 2 * times + 1, "callbacks of revokes");
        ksft::expect_eq(importer.audit().value().entries, 0, "entries after a revoke");
        expect_revoked(importer);
        ksft::expect_eq(device().attach(buffer.fd.get(), pfn_importer).code(), ENODEV,
                        "attach to a revoked buffer");

        const Fd late = buffer.device->export_dma_buf(0, vfio_ranges(pieces)).value();

        ksft::expect_eq(device().attach(late.get(), pfn_importer).code(), ENODEV,
                        "attach to a buffer that was made while memory decode is off");

        (void)buffer.device->set_memory_decode(true).value();
        ksft::expect_eq(importer.audit().value().notifies, 2 * times + 2, "callbacks");
        expect_exact(importer, oracle);
        expect_exact(device().attach(late.get(), pfn_importer).value(), oracle);
        ksft::expect_eq(fill_all(), 0, "FILL after");
    }
    buffer.device.reset();
    expect_revoked(importer);
    ksft::expect_eq(importer.audit().value().entries, 0, "entries after close");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    load_vfio(); /* the symbols of vfio-pci come with its module */
    share_symbols();
    for (const UdmabufList& list : udmabuf_lists())
        plan.add(std::string("P18.real[exporter=udmabuf,list=") + list.name + "]",
                 [list] { udmabuf_is_exact(list); });
    for (const std::uint64_t nr_pages : {1, 15, 16, 17, 273, 256 * 3 + 16 * 5 + 3, 2048})
        plan.add("P18.real[exporter=system_heap,pages=" + std::to_string(nr_pages) + "]",
                 [nr_pages] { system_heap_is_exact(nr_pages); });
    for (const BarRanges& wanted : bar_ranges())
        plan.add(std::string("P18.real[exporter=vfio,ranges=") + wanted.name + "]",
                 [wanted] { vfio_is_exact(wanted); });
    plan.add("P18.real[exporter=vfio,ranges=262144]", vfio_takes_many_ranges);
    plan.add("P4.real[exporter=vfio]", vfio_revokes);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
