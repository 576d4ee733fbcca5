// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: udmabuf, the system heap and vfio-pci give the right PFN and max_order for each page
 * (P17, P18), and the right type and cache mode (P14). While memory decode is off, get_pfn of a BAR
 * is -ENODEV. Importers are told when this state begins, and when it ends (P4, P5).
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
#include <fstream>
#include <optional>

#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "child.hpp"
#include "edu.hpp"
#include "fixture.hpp"
#include "foreign_buffer.hpp"
#include "kernel_exporters.hpp"
#include "vfio_binding.hpp"

using namespace testexp;

namespace {

void require_get_pfn(const KernelExporter& exporter) {
    REQUIRE(exporter.has_get_pfn(), std::string(exporter.name) + " has no get_pfn in this kernel");
}

template <typename T> T value_or_skip(Result<T> result) {
    if (result.code() == EOPNOTSUPP)
        ksft::skip("this machine lacks " + result.error().what);
    if (result.code() == EPERM) /* VFIO, without interrupt remapping */
        ksft::skip(result.error().what);
    return std::move(result).value();
}

Oracle oracle_of(const std::vector<std::uint64_t>& pfns, const Page& kind = {}) {
    std::vector<Page> pages(pfns.size(), kind);

    for (std::size_t pgoff = 0; pgoff < pfns.size(); pgoff++)
        pages[pgoff].pfn = pfns[pgoff];
    return Oracle(pages);
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
    }
    ksft::expect_eq(importer.describe(nr_pages, TESTEXP_DESCRIBE_ATTRS).code(), EINVAL,
                    "attributes behind the end");
}

/* --- udmabuf -------------------------------------------------------------- */

/* Consecutive pages of the memfd. */
struct Piece {
    std::uint64_t first;
    std::uint64_t count;
};

struct List {
    const char* name;
    std::uint64_t memory_pages;
    bool huge;
    std::vector<Piece> pieces;
};

constexpr std::uint64_t huge_pages = 512;

std::vector<List> lists() {
    return {
        {"whole", 64, false, {{0, 64}}},
        {"one_page", 8, false, {{5, 1}}},
        {"middle", 64, false, {{7, 50}}},
        {"continued", 64, false, {{0, 10}, {10, 22}, {32, 32}}},
        {"reordered", 64, false, {{32, 32}, {0, 32}}},
        {"repeated", 64, false, {{0, 16}, {0, 16}, {8, 16}}},
        {"backwards", 4, false, {{3, 1}, {2, 1}, {1, 1}, {0, 1}}},
        {"huge", 2 * huge_pages, true, {{0, 2 * huge_pages}}},
        {"huge_middle", 2 * huge_pages, true, {{100, 900}}},
        {"huge_shifted", 2 * huge_pages, true, {{0, 1}, {0, 2 * huge_pages}}},
        {"huge_reordered", 2 * huge_pages, true, {{huge_pages, huge_pages}, {0, huge_pages}}},
        {"huge_repeated", huge_pages, true, {{0, huge_pages}, {0, huge_pages}, {256, 256}}},
        {"huge_cut", 2 * huge_pages, true, {{0, 256}, {768, 256}, {256, 512}}},
    };
}

/* Reserves huge pages of 2 MiB while the object exists. */
class HugePages {
public:
    explicit HugePages(std::uint64_t count) : before_(read()) {
        write(before_ + count);
        if (read() < before_ + count) {
            write(before_);
            ksft::skip("this kernel has no " + std::to_string(count) + " huge pages of 2 MiB");
        }
    }
    ~HugePages() { write(before_); }
    HugePages(const HugePages&) = delete;
    HugePages& operator=(const HugePages&) = delete;

private:
    static constexpr const char* path = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

    static std::uint64_t read() {
        std::uint64_t count = 0;

        if (!(std::ifstream(path) >> count))
            ksft::skip("this kernel has no hugetlb");
        return count;
    }
    static void write(std::uint64_t count) { std::ofstream(path) << count; }

    std::uint64_t before_;
};

Fd make_list(int memory, const List& list) {
    const Fd control(open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
    std::vector<std::uint64_t> words(1 + list.pieces.size() * 3);
    auto* const head = reinterpret_cast<udmabuf_create_list*>(words.data());
    auto* const items = reinterpret_cast<udmabuf_create_item*>(words.data() + 1);

    static_assert(sizeof(udmabuf_create_list) == 8 && sizeof(udmabuf_create_item) == 24);
    head->flags = UDMABUF_FLAGS_CLOEXEC;
    head->count = static_cast<std::uint32_t>(list.pieces.size());
    for (std::size_t i = 0; i < list.pieces.size(); i++)
        items[i] = {.memfd = static_cast<std::uint32_t>(memory),
                    .__pad = 0,
                    .offset = list.pieces[i].first * page_bytes(),
                    .size = list.pieces[i].count * page_bytes()};

    Fd buffer(ioctl(control.get(), UDMABUF_CREATE_LIST, head));

    if (!buffer)
        throw std::runtime_error(errno_error("UDMABUF_CREATE_LIST").what);
    return buffer;
}

std::vector<std::uint64_t> pfns_of(const List& list, const std::vector<std::uint64_t>& memory) {
    std::vector<std::uint64_t> pfns;

    for (const Piece& piece : list.pieces)
        for (std::uint64_t page = 0; page < piece.count; page++)
            pfns.push_back(memory.at(piece.first + page));
    return pfns;
}

void udmabuf_is_exact(const List& list) {
    require_get_pfn(udmabuf);
    (void)udmabuf_buffer(); /* skips when there is no udmabuf */

    std::optional<HugePages> reserved;

    if (list.huge)
        reserved.emplace(list.memory_pages / huge_pages);

    const Fd memory = std::move(
        value_or_skip(make_udmabuf({list.memory_pages * page_bytes(), list.huge})).memory);
    const Mapping mapping = Mapping::map(memory.get(), list.memory_pages).value();
    const Oracle oracle = oracle_of(pfns_of(list, pfns_in_pagemap(mapping)));
    const Fd buffer = make_list(memory.get(), list);

    for (const std::uint32_t flags :
         {0U, static_cast<std::uint32_t>(TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE)}) {
        const Importer importer = device().attach(buffer.get(), flags).value();

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

    const ForeignBuffer buffer = value_or_skip(make_heap({"system", nr_pages * page_bytes()}));
    const Mapping mapping = Mapping::map(buffer.fd.get(), nr_pages).value();
    const std::vector<std::uint64_t> pfns = pfns_behind(mapping);
    const Oracle oracle = oracle_of(pfns);
    const Importer importer = device().attach(buffer.fd.get()).value();
    const bool direct = dma_kind() == DmaKind::direct;
    const std::vector<int> orders = direct ? chunk_orders(importer) : std::vector<int>();

    for (const Form& form : forms) {
        const auto results = importer.resolve(0, nr_pages, 1, form.flags).value();

        for (std::uint64_t pgoff = 0; pgoff < nr_pages; pgoff++) {
            const testexp_result& result = results[pgoff];
            const std::string page = std::string(form.name) + ", page " + std::to_string(pgoff);

            ksft::expect_eq(result.error, 0, page + ": error");
            ksft::expect_eq(result.pfn, pfns[pgoff], page + ": pfn");
            ksft::expect(result.max_order <= oracle.expected(pgoff).max_order,
                         page + ": max_order is at most the exact order");
            if (direct)
                ksft::expect_eq(result.max_order, orders.at(pgoff), page + ": max_order");
        }
    }
    expect_attrs(importer, nr_pages, {});
}

/* --- vfio-pci ------------------------------------------------------------- */

struct Ranges {
    const char* name;
    std::vector<Piece> pieces; /* pages of the BAR, which has 256 */
};

std::vector<Ranges> ranges() {
    return {
        {"whole", {{0, 256}}},
        {"one_page", {{7, 1}}},
        {"middle", {{3, 250}}},
        {"continued", {{0, 3}, {3, 13}, {16, 240}}},
        {"two", {{128, 128}, {0, 64}}},
        {"repeated", {{0, 16}, {0, 16}, {8, 16}}},
        {"gaps", {{0, 1}, {2, 1}, {4, 4}, {16, 16}, {64, 32}}},
        {"backwards", {{3, 1}, {2, 1}, {1, 1}, {0, 1}}},
    };
}

VfioSpec spec_of(const VfioBinding& edu, const std::vector<Piece>& pieces) {
    VfioSpec spec{.device = edu.device(), .region = 0, .ranges = {}};

    for (const Piece& piece : pieces)
        spec.ranges.push_back({piece.first * page_bytes(), piece.count * page_bytes()});
    return spec;
}

constexpr Page uncached_mmio = {.pfn = 0, .type = TESTEXP_EXTENT_MMIO, .cache = TESTEXP_CACHE_UC};

Oracle oracle_of_bar(const PciBar& bar, const std::vector<Piece>& pieces) {
    std::vector<std::uint64_t> pfns;

    for (const Piece& piece : pieces)
        for (std::uint64_t page = 0; page < piece.count; page++)
            pfns.push_back(bar.start / page_bytes() + piece.first + page);
    return oracle_of(pfns, uncached_mmio);
}

void require_vfio() {
    (void)Child::execute({"modprobe", "-q", "vfio-pci"}).value().wait();
    REQUIRE(kernel_has_symbol("vfio_pci_dma_buf_get_pfn"),
            "vfio-pci has no get_pfn in this kernel");
}

constexpr std::uint32_t pfn_importer = TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE;

void vfio_is_exact(const Ranges& wanted) {
    require_vfio();

    const VfioBinding edu(edu_id);
    const ForeignBuffer buffer = value_or_skip(make_vfio(spec_of(edu, wanted.pieces)));
    const Oracle oracle = oracle_of_bar(edu.bar(0), wanted.pieces);
    const Importer importer = device().attach(buffer.fd.get(), pfn_importer).value();

    expect_exact(importer, oracle);
    expect_attrs(importer, oracle.nr_pages(), uncached_mmio);
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
    const Oracle oracle = oracle_of_bar(edu.bar(0), pieces);
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

        (void)buffer.device->set_memory_decode(true).value();
        ksft::expect_eq(importer.audit().value().notifies, 2 * times + 2, "callbacks");
        expect_exact(importer, oracle);
        ksft::expect_eq(fill_all(), 0, "FILL after");
    }
    buffer.device.reset();
    expect_revoked(importer);
    ksft::expect_eq(importer.audit().value().entries, 0, "entries after close");
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    for (const List& list : lists())
        plan.add(std::string("P18.real[exporter=udmabuf,list=") + list.name + "]",
                 [list] { udmabuf_is_exact(list); });
    for (const std::uint64_t nr_pages : {1, 15, 16, 17, 273, 256 * 3 + 16 * 5 + 3, 2048})
        plan.add("P18.real[exporter=system_heap,pages=" + std::to_string(nr_pages) + "]",
                 [nr_pages] { system_heap_is_exact(nr_pages); });
    for (const Ranges& wanted : ranges())
        plan.add(std::string("P18.real[exporter=vfio,ranges=") + wanted.name + "]",
                 [wanted] { vfio_is_exact(wanted); });
    plan.add("P4.real[exporter=vfio]", vfio_revokes);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
