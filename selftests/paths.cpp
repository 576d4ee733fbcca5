// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: each path of MEASURE resolves what it says, so its cost is the cost of the right answer:
 * page by page, in its sequence, with the exact order where it has one. Where there is nothing to
 * resolve, it fails with the errno of the contract.
 *
 * Method: DELIVER runs the same code and lists what it found. The reference values come from the
 * CPU's page table, from get_pfn for the paths that read this page table, and from the layout. DMA
 * addresses are no PFNs behind an IOMMU or swiotlb; a case of its own shows that sgt_dma_to_phys is
 * wrong there.
 *
 * Does not see: what a path costs; two paths that are wrong in the same way as the CPU's page
 * table.
 */
#include <algorithm>
#include <atomic>
#include <csignal>
#include <functional>
#include <set>

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "kernel_exporters.hpp"
#include "lifetime.hpp"

using namespace testexp;

namespace {

constexpr std::uint32_t pmd_order = 9;
constexpr std::uint64_t pmd_pages = std::uint64_t{1} << pmd_order;

/* A buffer with what a path needs to resolve it. */
struct Scene {
    const Path& path;
    Buffer buffer;
    Importer importer;
    Mapping mapping; /* every path has one, also where the path does not need it */

    /* A window over the whole buffer. */
    MeasureSpec spec() const {
        return {
            .path = path.id, .nr_pages = buffer.nr_pages, .address = address_for(path, mapping)};
    }
};

/* An extent is one segment, and swiotlb takes 256 KiB at most for a segment. */
bool has_large_extents(const Layout& layout) {
    return std::ranges::any_of(layout.extents, [](const testexp_extent& extent) {
        return extent.nr_pages * page_bytes() > 128 << 10;
    });
}

Scene make_scene(const Path& path, const CreateSpec& spec, std::uint32_t attach_flags = 0) {
    require_path(path);
    if (path.source == Source::sg_table && has_large_extents(spec.layout))
        REQUIRE(dma_kind() != DmaKind::swiotlb, "swiotlb cannot map an extent of that size");

    CreateSpec flagged = spec;

    flagged.flags |= path.create_flags() | reference_flags(spec.layout);
    Buffer buffer = device().create(flagged).value();
    Importer importer = device().attach(buffer.fd.get(), attach_flags).value();
    Mapping mapping =
        Mapping::map_aligned(buffer.fd.get(), buffer.nr_pages, pmd_pages * page_bytes()).value();

    return {path, std::move(buffer), std::move(importer), std::move(mapping)};
}

testexp_delivered found(std::uint64_t pgoff, std::uint64_t pfn, std::uint64_t nr_pages = 1,
                        std::int32_t max_order = TESTEXP_UNTOUCHED_ORDER) {
    return {pgoff, pfn, nr_pages, max_order, 0};
}

testexp_delivered expected_page(const Path& path, const Oracle& oracle, std::uint64_t pgoff) {
    return found(pgoff, oracle.pages()[pgoff].pfn, 1,
                 path.source == Source::get_pfn ? oracle.expected(pgoff).max_order
                                                : TESTEXP_UNTOUCHED_ORDER);
}

std::vector<testexp_delivered> expected_pages(const Path& path, const Oracle& oracle) {
    std::vector<testexp_delivered> expected;

    for (std::uint64_t pgoff = 0; pgoff < oracle.nr_pages(); pgoff++)
        expected.push_back(expected_page(path, oracle, pgoff));
    return expected;
}

/* From block to block, each as large as the oracle says. */
std::vector<testexp_delivered> expected_blocks(const Oracle& oracle) {
    std::vector<testexp_delivered> expected;

    for (std::uint64_t pgoff = 0; pgoff < oracle.nr_pages();) {
        const testexp_result answer = oracle.expected(pgoff);
        const std::uint64_t block = std::uint64_t{1} << answer.max_order;
        const std::uint64_t next = (pgoff / block + 1) * block;

        expected.push_back(found(pgoff, answer.pfn, next - pgoff, answer.max_order));
        pgoff = next;
    }
    return expected;
}

/* Physically contiguous runs of pages of one kind. */
std::vector<testexp_delivered> expected_runs(const Oracle& oracle) {
    std::vector<testexp_delivered> expected;
    const std::vector<Page>& pages = oracle.pages();

    for (std::uint64_t pgoff = 0; pgoff < pages.size(); pgoff++) {
        if (pgoff > 0 && pages[pgoff].pfn == pages[pgoff - 1].pfn + 1 &&
            pages[pgoff].is_like(pages[pgoff - 1]))
            expected.back().nr_pages++;
        else
            expected.push_back(found(pgoff, pages[pgoff].pfn));
    }
    return expected;
}

std::vector<testexp_delivered> expected_of(const Path& path, const Oracle& oracle) {
    switch (path.unit) {
    case Unit::block:
        return expected_blocks(oracle);
    case Unit::run:
        return expected_runs(oracle);
    default:
        return expected_pages(path, oracle);
    }
}

/* Operations that deliver the whole buffer once. */
std::uint32_t ops_of(const Path& path, const std::vector<testexp_delivered>& expected) {
    return path.whole_window ? 1 : static_cast<std::uint32_t>(expected.size());
}

std::string describe(const testexp_delivered& entry) {
    return "{pgoff " + std::to_string(entry.pgoff) + ", pfn " + std::to_string(entry.pfn) +
           ", nr_pages " + std::to_string(entry.nr_pages) + ", max_order " +
           std::to_string(entry.max_order) + "}";
}

bool same(const testexp_delivered& a, const testexp_delivered& b) {
    return a.pgoff == b.pgoff && a.pfn == b.pfn && a.nr_pages == b.nr_pages &&
           a.max_order == b.max_order;
}

void expect_delivered(const std::vector<testexp_delivered>& is,
                      const std::vector<testexp_delivered>& must_be) {
    ksft::expect_eq(is.size(), must_be.size(), "entries");
    for (std::size_t i = 0; i < std::min(is.size(), must_be.size()); i++)
        ksft::expect(same(is[i], must_be[i]), "entry " + std::to_string(i) + " is " +
                                                  describe(is[i]) + ", must be " +
                                                  describe(must_be[i]));
}

/* --- The right pages ------------------------------------------------------ */

struct Named {
    const char* name;
    CreateSpec spec;
};

std::vector<Named> layouts(const Path& path) {
    const auto scattered = [](Layout layout) {
        return CreateSpec{.layout = std::move(layout), .flags = TESTEXP_CREATE_SCATTER};
    };

    if (path.leaf == Leaf::pmd)
        return {{"one_block", {.layout = Layout{}.ram(pmd_pages, {.align_order = pmd_order})}},
                {"blocks", scattered(Layout{}.ram(pmd_pages, {.align_order = 9, .repeat = 3}))}};
    return {
        {"one_page", {.layout = Layout{}.ram(1)}},
        {"one_block", {.layout = Layout{}.ram(pmd_pages, {.align_order = pmd_order})}},
        {"pages", scattered(Layout{}.ram(1, {.repeat = 300}))},
        {"blocks", scattered(Layout{}.ram(16, {.align_order = 4, .repeat = 20}))},
        {"skewed", {.layout = Layout{}.ram(100, {.align_order = 6, .skew = 21})}},
        {"odd", scattered(Layout{}.ram(3, {.align_order = 3, .skew = 5, .repeat = 20}).ram(70))},
        {"mixed_orders",
         scattered(Layout{}.ram(1).ram(2, {.align_order = 1}).ram(64, {.align_order = 6}).ram(5))},
    };
}

/*
 * The PFNs that a path must find. They are read from the CPU's page table. A path that reads this
 * page table itself is compared with get_pfn instead: other tests prove that get_pfn is right, and
 * get_pfn does not use the page table.
 */
Oracle truth_of(const Scene& scene, const Layout& layout) {
    std::vector<Page> pages = pages_of(layout);

    if (scene.path.source == Source::page_table) {
        const std::vector<testexp_result> answers = scene.importer.resolve(0, pages.size()).value();

        for (std::size_t pgoff = 0; pgoff < pages.size(); pgoff++)
            pages[pgoff].pfn = answers.at(pgoff).pfn;
    } else {
        const std::vector<std::uint64_t> pfns = pfns_behind(scene.mapping);

        for (std::size_t pgoff = 0; pgoff < pages.size(); pgoff++)
            pages[pgoff].pfn = pfns.at(pgoff);
    }
    return Oracle(pages);
}

void delivers_every_page(const Path& path, const CreateSpec& spec) {
    if (path.source == Source::sg_table)
        require_direct_dma();

    const Scene scene = make_scene(path, spec);
    const Oracle oracle = truth_of(scene, spec.layout);
    const std::vector<testexp_delivered> expected = expected_of(path, oracle);

    expect_delivered(scene.importer.deliver(scene.spec(), ops_of(path, expected)).value(),
                     expected);
}

/* PFNs beyond 2^32 pages without memory: for paths that access no page. */
void delivers_synthetic_pages(const Path& path) {
    const Layout layout = Layout{}.synthetic(std::uint64_t{1} << 40, 64).synthetic(0x1003, 61);
    const Buffer buffer = device().create({.layout = layout}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const std::vector<testexp_delivered> expected = expected_of(path, Oracle(pages_of(layout)));

    expect_delivered(
        importer.deliver({.path = path.id, .nr_pages = buffer.nr_pages}, ops_of(path, expected))
            .value(),
        expected);
}

/* A window in the middle of the buffer, up to two rounds of it, in each sequence. */
void keeps_its_sequence(const Path& path) {
    constexpr std::uint64_t first = 64, window = 128;
    const Layout layout = path.leaf == Leaf::pmd
                              ? Layout{}.ram(pmd_pages, {.align_order = pmd_order})
                              : Layout{}.ram(1, {.repeat = 256});
    const Scene scene = make_scene(path, {.layout = layout, .flags = TESTEXP_CREATE_SCATTER});
    const Oracle oracle = truth_of(scene, layout);
    const auto run = [&](testexp_sequence sequence, std::uint64_t stride, std::uint32_t ops) {
        MeasureSpec spec = scene.spec();

        spec.pgoff = first;
        spec.nr_pages = window;
        spec.sequence = sequence;
        spec.stride = stride;
        spec.address += spec.address != 0 ? first * page_bytes() : 0;
        return scene.importer.deliver(spec, ops).value();
    };
    const std::uint64_t rounds = path.faults ? 1 : 2;
    std::vector<testexp_delivered> expected;

    for (std::uint64_t op = 0; op < rounds * window; op++)
        expected.push_back(expected_page(path, oracle, first + op % window));
    expect_delivered(run(TESTEXP_SEQUENCE_FORWARD, 0, rounds * window), expected);

    /* 128 is no multiple of 7: the sequence has 19 pages and then begins again. */
    expected.clear();
    for (std::uint64_t op = 0; op < rounds * 19; op++)
        expected.push_back(expected_page(path, oracle, first + 7 * (op % 19)));
    expect_delivered(run(TESTEXP_SEQUENCE_STRIDED, 7, rounds * 19), expected);

    const std::vector<testexp_delivered> random = run(TESTEXP_SEQUENCE_RANDOM, 0, window);
    std::set<std::uint64_t> pgoffs;
    unsigned int neighbours = 0;

    for (std::size_t i = 0; i < random.size(); i++) {
        ksft::expect(random[i].pgoff >= first && random[i].pgoff < first + window, "in the window");
        ksft::expect(same(random[i], expected_page(path, oracle, random[i].pgoff)),
                     "random: " + describe(random[i]));
        pgoffs.insert(random[i].pgoff);
        neighbours += i > 0 && random[i].pgoff == random[i - 1].pgoff + 1 ? 1 : 0;
    }
    ksft::expect_eq(pgoffs.size(), window, "different pages in one random round");
    ksft::expect(neighbours < window / 8, "random pages do not follow one another");
}

/* --- Cold and warm -------------------------------------------------------- */

std::uint64_t faults_of_now() {
    rusage usage{};

    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_minflt);
}

/* Faults of one MEASURE with 5 batches of 64 operations, without warm-up. */
std::uint64_t faults_of(const Scene& scene, const MeasureSpec& from) {
    MeasureSpec spec = from;

    spec.ops_per_batch = 64;
    spec.batches = 5;
    spec.warmup_batches = 0;
    (void)scene.importer.measure(spec).value(); /* faults in code and stack */

    const std::uint64_t before = faults_of_now();

    (void)scene.importer.measure(spec).value();
    return faults_of_now() - before;
}

void cold_pages_fault() {
    const Scene scene = make_scene(path_row(TESTEXP_PATH_FOLLOW_PFNMAP_COLD),
                                   {.layout = Layout{}.ram(1, {.repeat = 256})});
    const auto bytes = scene.mapping.bytes();

    ksft::expect(faults_of(scene, scene.spec()) < 32, "faults map neighbouring pages as well");
    ksft::expect_eq(madvise(bytes.data(), bytes.size(), MADV_RANDOM), 0, "MADV_RANDOM");
    ksft::expect(faults_of(scene, scene.spec()) >= std::uint64_t{5} * 64, "one fault a page");

    MeasureSpec warm = scene.spec();

    warm.path = TESTEXP_PATH_FOLLOW_PFNMAP_PTE;
    ksft::expect(faults_of(scene, warm) < 32, "no fault of a warm page");
}

/* There is a leaf larger than a page exactly where extent and address allow it. */
void needs_its_leaf() {
    require_path(path_row(TESTEXP_PATH_FOLLOW_PFNMAP_PMD));

    const std::uint64_t leaf_bytes = pmd_pages * page_bytes();
    const auto code_of = [leaf_bytes](testexp_path path, const Layout& layout, std::uint32_t flags,
                                      std::uint64_t pgoff) {
        const Buffer buffer =
            device().create({.layout = layout, .flags = flags | TESTEXP_CREATE_SCATTER}).value();
        const Importer importer = device().attach(buffer.fd.get()).value();
        const Mapping mapping =
            Mapping::map_aligned(buffer.fd.get(), pmd_pages, leaf_bytes, pgoff).value();

        return importer
            .measure({.path = path,
                      .nr_pages = pmd_pages,
                      .pgoff = pgoff,
                      .address = address_of(mapping)})
            .code();
    };
    const auto expect_leaf = [&](const Layout& layout, std::uint32_t flags, std::uint64_t pgoff,
                                 bool pmd, const std::string& what) {
        ksft::expect_eq(code_of(TESTEXP_PATH_FOLLOW_PFNMAP_PMD, layout, flags, pgoff),
                        pmd ? 0 : ENODATA, "PMD, " + what);
        ksft::expect_eq(code_of(TESTEXP_PATH_FOLLOW_PFNMAP_PTE, layout, flags, pgoff),
                        pmd ? ENODATA : 0, "PTE, " + what);
    };
    const Layout large = Layout{}.ram(2 * pmd_pages, {.align_order = pmd_order + 1});

    expect_leaf(large, TESTEXP_CREATE_HUGE, 0, true, "all aligned");
    expect_leaf(large, TESTEXP_CREATE_HUGE, pmd_pages, true, "all aligned, not at the beginning");
    expect_leaf(large, 0, 0, false, "leaves not asked for");
    expect_leaf(large, TESTEXP_CREATE_HUGE, 1, false, "address not aligned as the pgoff is");
    expect_leaf(Layout{}.ram(pmd_pages, {.align_order = pmd_order, .skew = 1}), TESTEXP_CREATE_HUGE,
                0, false, "PFN not aligned");
    expect_leaf(Layout{}.ram(256, {.align_order = 8, .repeat = 2}), TESTEXP_CREATE_HUGE, 0, false,
                "extents too small");
}

/* The mapping begins inside the range of a leaf, so the leaf would reach over its beginning. */
void no_leaf_over_the_beginning() {
    const Scene scene = make_scene(path_row(TESTEXP_PATH_FOLLOW_PFNMAP_PMD),
                                   {.layout = Layout{}.ram(pmd_pages, {.align_order = pmd_order})});
    std::byte* begin = scene.mapping.bytes().data();

    ksft::expect_eq(munmap(begin, page_bytes()), 0, "munmap");
    ksft::expect_eq(signal_of_reading(begin + page_bytes()), 0,
                    "signal of reading the second page");
}

/* A leaf of synthetic PFNs would show memory that is not the buffer's. */
void no_leaf_of_synthetic() {
    require_path(path_row(TESTEXP_PATH_FOLLOW_PFNMAP_PMD));

    const Buffer buffer = device()
                              .create({.layout = Layout{}
                                                     .ram(pmd_pages, {.align_order = pmd_order})
                                                     .synthetic(pmd_pages, pmd_pages),
                                       .flags = TESTEXP_CREATE_HUGE})
                              .value();
    const Mapping mapping =
        Mapping::map_aligned(buffer.fd.get(), buffer.nr_pages, pmd_pages * page_bytes()).value();

    ksft::expect_eq(signal_of_reading(mapping.bytes().data()), 0, "signal of reading RAM");
    ksft::expect_eq(signal_of_reading(mapping.bytes().data() + pmd_pages * page_bytes()), SIGBUS,
                    "signal of reading a synthetic page");
}

/* MMIO gets a page table entry for each page, with the cache mode of MMIO. */
void no_leaf_of_mmio() {
    require_path(path_row(TESTEXP_PATH_FOLLOW_PFNMAP_PMD));
    REQUIRE(mmio_bar().bytes >= pmd_pages * page_bytes(), "the BAR is too small");

    const Buffer buffer = device()
                              .create({.layout = Layout{}.mmio(0, pmd_pages),
                                       .flags = TESTEXP_CREATE_HUGE | TESTEXP_CREATE_DYNAMIC})
                              .value();
    const Importer importer = device().attach(buffer.fd.get(), TESTEXP_ATTACH_DYNAMIC).value();
    const Mapping mapping =
        Mapping::map_aligned(buffer.fd.get(), pmd_pages, pmd_pages * page_bytes()).value();
    const auto code_of = [&](testexp_path path) {
        return importer
            .measure({.path = path, .nr_pages = pmd_pages, .address = address_of(mapping)})
            .code();
    };

    ksft::expect_eq(code_of(TESTEXP_PATH_FOLLOW_PFNMAP_PMD), ENODATA, "PMD");
    ksft::expect_eq(code_of(TESTEXP_PATH_FOLLOW_PFNMAP_PTE), 0, "PTE");
    for (const testexp_walked& walked :
         device().walk(mapping.bytes().data(), pmd_pages, TESTEXP_WALK_FAULT_IN).value()) {
        ksft::expect_eq(walked.error, 0, "WALK");
        ksft::expect_eq(walked.cache, TESTEXP_CACHE_UC, "cache mode");
    }
}

/* --- What is refused ------------------------------------------------------ */

void refuses_wrong_mappings(const Path& path) {
    const Layout layout = Layout{}.ram(pmd_pages, {.align_order = pmd_order});
    const Scene scene = make_scene(path, {.layout = layout});
    const Scene other = make_scene(path, {.layout = layout});
    const Buffer plain =
        device().create({.layout = layout, .flags = TESTEXP_CREATE_SHOW_PAGES}).value();
    const Mapping mixed = Mapping::map(plain.fd.get(), plain.nr_pages).value();
    const Importer of_plain = device().attach(plain.fd.get()).value();
    const auto with = [&](auto&& change, const Importer& importer) {
        MeasureSpec spec = scene.spec();

        spec.ops_per_batch = 10;
        spec.batches = 2;
        change(spec);
        return importer.measure(spec).code();
    };

    ksft::expect_eq(with([](auto&) {}, scene.importer), 0, "the good call");
    ksft::expect_eq(with([](auto& s) { s.address = 0; }, scene.importer), EFAULT, "no address");
    ksft::expect_eq(with([&](auto& s) { s.address = address_of(other.mapping); }, scene.importer),
                    EINVAL, "a mapping of another buffer");
    ksft::expect_eq(with([&](auto& s) { s.address = address_of(mixed); }, of_plain), EINVAL,
                    "a mapping that is not VM_PFNMAP");
    ksft::expect_eq(with([](auto& s) { s.address++; }, scene.importer), EINVAL, "not a page");
    ksft::expect_eq(with([](auto& s) { s.pgoff = 1, s.nr_pages = 2; }, scene.importer), EINVAL,
                    "the address of another page");
    ksft::expect_eq(
        with([](auto& s) { s.address += page_bytes(), s.pgoff = 1, s.nr_pages = s.ops_per_batch; },
             scene.importer),
        0, "the address of that page");
    ksft::expect_eq(munmap(scene.mapping.bytes().data() + page_bytes(), page_bytes()), 0, "munmap");
    ksft::expect_eq(with([](auto&) {}, scene.importer), EINVAL, "a mapping that is too short");
    ksft::expect_eq(with([](auto& s) { s.nr_pages = 1, s.ops_per_batch = 1; }, scene.importer),
                    path.leaf == Leaf::pmd ? ENODATA : 0, "long enough for a page");
}

void cold_batch_fits_the_window() {
    const Scene scene =
        make_scene(path_row(TESTEXP_PATH_FOLLOW_PFNMAP_COLD), {.layout = Layout{}.ram(64)});
    MeasureSpec spec = scene.spec();

    spec.batches = 2;
    spec.ops_per_batch = 64;
    ksft::expect_eq(scene.importer.measure(spec).code(), 0, "each page once");
    spec.ops_per_batch = 65;
    ksft::expect_eq(scene.importer.measure(spec).code(), EINVAL, "a page that is warm by then");
    spec.sequence = TESTEXP_SEQUENCE_STRIDED;
    spec.stride = 3;
    spec.ops_per_batch = 22;
    ksft::expect_eq(scene.importer.measure(spec).code(), 0, "strided, each page once");
    spec.ops_per_batch = 23;
    ksft::expect_eq(scene.importer.measure(spec).code(), EINVAL, "strided, a page twice");
}

/*
 * The errno for a whole buffer with such a page. For the CPU's page table it is always a failed
 * access.
 */
int expected_code(const Path& path, int of_get_pfn) {
    if (path.source == Source::page_table)
        return EFAULT;
    return path.source == Source::sg_table && of_get_pfn != ENODEV ? EOPNOTSUPP : of_get_pfn;
}

void refuses_what_has_no_pfn(const Path& path) {
    const auto code_of = [&path](const Layout& layout) {
        const Scene scene = make_scene(path, {.layout = layout});
        const auto whole = static_cast<std::uint32_t>(scene.buffer.nr_pages);
        const int code = scene.importer.deliver(scene.spec(), whole).code();

        MeasureSpec spec = scene.spec();

        spec.ops_per_batch = whole;
        ksft::expect_eq(scene.importer.measure(spec).code(), code, "MEASURE, against DELIVER");
        return code;
    };

    /* The page is at the end, so the path must get there. */
    if (path.leaf != Leaf::pmd) {
        ksft::expect_eq(code_of(Layout{}.ram(3).hole(1)), expected_code(path, ENXIO), "a hole");
        ksft::expect_eq(code_of(Layout{}.ram(3).priv(1)), expected_code(path, EOPNOTSUPP),
                        "a private page");
    } else {
        ksft::expect_eq(code_of(Layout{}.ram(pmd_pages, {.align_order = 9}).hole(1)), EFAULT,
                        "a hole");
    }
}

void refuses_a_revoked_buffer(const Path& path) {
    const Scene scene =
        make_scene(path, {.layout = Layout{}.ram(pmd_pages, {.align_order = pmd_order})});

    ksft::expect_eq(scene.importer.deliver(scene.spec(), 1).code(), 0, "before");
    (void)device().revoke(scene.buffer.fd.get()).value();
    ksft::expect_eq(scene.importer.deliver(scene.spec(), 1).code(), expected_code(path, ENODEV),
                    "revoked");
}

/* After a move, each path that resolves anew finds the new pages. */
void finds_moved_pages(const Path& path) {
    REQUIRE(device().has(TESTEXP_FEAT_MOVE_NOTIFY), "get_pfn of a dynamic exporter is refused");
    if (path.source == Source::sg_table)
        require_direct_dma();

    const Layout layout = Layout{}.ram(pmd_pages, {.align_order = pmd_order});
    const Scene scene = make_scene(path, {.layout = layout, .flags = TESTEXP_CREATE_DYNAMIC},
                                   TESTEXP_ATTACH_DYNAMIC);
    const std::uint64_t old_pfn = truth_of(scene, layout).pages()[0].pfn;

    (void)scene.importer.deliver(scene.spec(), 1).value();
    (void)device().move(scene.buffer.fd.get(), layout).value();

    const Oracle moved = truth_of(scene, layout);
    const std::vector<testexp_delivered> expected = expected_of(path, moved);

    ksft::expect(moved.pages()[0].pfn != old_pfn, "the buffer has moved");
    expect_delivered(scene.importer.deliver(scene.spec(), ops_of(path, expected)).value(),
                     expected);
}

/* With an exporter of the kernel, each path works or fails with the right errno. */
void meets_a_foreign_exporter(const Path& path) {
    require_path(path);

    const Fd heap = system_heap_buffer();
    const Importer importer = device().attach(heap.get()).value();
    const Mapping mapping = Mapping::map(heap.get(), 1).value();
    const Result<std::vector<testexp_delivered>> delivered =
        importer.deliver({.path = path.id, .address = address_for(path, mapping)}, 1);
    const bool works = path.source == Source::sg_table || path.source == Source::page_table ||
                       (path.source == Source::get_pfn && system_heap.has_get_pfn());

    if (path.leaf == Leaf::pmd)
        ksft::expect_eq(delivered.code(), ENODATA, "one page in a PMD");
    else if (path.faults)
        /* remap_pfn_range() maps at once; no fault handler can map the pages again. */
        ksft::expect_eq(delivered.code(), EFAULT, "the page stays zapped");
    else
        ksft::expect_eq(delivered.code(), works ? 0 : EINVAL, "one page");
    if (delivered && dma_kind() == DmaKind::direct)
        ksft::expect_eq(delivered.value().at(0).pfn,
                        importer.map().value().at(0).dma_address / page_bytes(),
                        "pfn, against the DMA address");
}

/* gntdev-dmabuf computes PFNs like this, which is right only by luck. */
void dma_to_phys_is_wrong(DmaKind kind, const char* why_not) {
    if (dma_kind() != kind)
        ksft::skip(why_not);

    const Layout layout = Layout{}.ram(16, {.align_order = 4, .repeat = 4});
    const Scene scene = make_scene(path_row(TESTEXP_PATH_SGT_DMA_TO_PHYS),
                                   {.layout = layout, .flags = TESTEXP_CREATE_SCATTER});
    const Oracle oracle = truth_of(scene, layout);
    std::uint64_t wrong = 0;

    for (const testexp_delivered& entry : scene.importer.deliver(scene.spec(), 64).value())
        wrong += entry.pfn != oracle.pages()[entry.pgoff].pfn ? 1 : 0;
    ksft::expect_eq(wrong, 64, "wrong PFNs, of 64");

    const std::vector<testexp_delivered> right =
        scene.importer.deliver({.path = TESTEXP_PATH_GET_PFN, .nr_pages = 64}, 64).value();

    expect_delivered(right, expected_pages(path_row(TESTEXP_PATH_GET_PFN), oracle));
}

/* --- What a measurement says of itself adds up ---------------------------- */

struct Mode {
    const char* name;
    testexp_measure_mode mode;
};

constexpr Mode modes[] = {{"batch", TESTEXP_MODE_BATCH}, {"single", TESTEXP_MODE_SINGLE}};

/*
 * Each batch continues where the batch before ended. Each batch resolves one page, so a batch meets
 * the hole only if the batches continue each other, in any sequence and mode.
 */
void batches_continue(const Path& path) {
    constexpr std::uint64_t nr_pages = 64;
    const Buffer buffer =
        device()
            .create({.layout = Layout{}.synthetic(0x1000, 40).hole(1).synthetic(0x2000, 23)})
            .value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    for (const Mode& mode : modes)
        for (const auto& [sequence, stride] :
             {std::pair{TESTEXP_SEQUENCE_FORWARD, std::uint64_t{0}},
              std::pair{TESTEXP_SEQUENCE_STRIDED, std::uint64_t{8}},
              std::pair{TESTEXP_SEQUENCE_RANDOM, std::uint64_t{0}}})
            ksft::expect_eq(importer
                                .measure({.path = path.id,
                                          .nr_pages = nr_pages,
                                          .ops_per_batch = 1,
                                          .batches = nr_pages,
                                          .warmup_batches = 0,
                                          .mode = mode.mode,
                                          .sequence = sequence,
                                          .stride = stride})
                                .code(),
                            ENXIO,
                            std::string("MEASURE over a hole, mode ") + mode.name + ", sequence " +
                                std::to_string(sequence));
}

/* The buffer is one extent of pmd_pages. */
std::uint64_t pages_per_op(const Path& path) {
    if (path.is_baseline())
        return 0;
    return path.unit == Unit::page ? 1 : pmd_pages;
}

void measure_adds_up(const Path& path, testexp_measure_mode mode) {
    const Scene scene =
        make_scene(path, {.layout = Layout{}.ram(pmd_pages, {.align_order = pmd_order})});
    MeasureSpec spec = scene.spec();

    spec.ops_per_batch = 7;
    spec.batches = 11;
    spec.warmup_batches = 3;
    spec.mode = mode;

    const Measurement measured = scene.importer.measure(spec).value();
    const testexp_measure& totals = measured.totals;
    const std::uint64_t values = mode == TESTEXP_MODE_SINGLE ? 77 : 11;
    std::uint64_t counted = 0;

    for (const std::uint64_t count : measured.hist.buckets)
        counted += count;
    ksft::expect_eq(totals.ops, 77, "ops");
    ksft::expect_eq(totals.pages, 77 * pages_per_op(path), "pages");
    ksft::expect_eq(measured.hist.count, values, "values in the histogram");
    ksft::expect_eq(counted, values, "values in its buckets");
    ksft::expect_eq(measured.hist.sum, totals.ticks, "sum of the histogram");
    ksft::expect_eq(measured.hist.min, totals.min_batch_ticks, "min of the histogram");
    ksft::expect(measured.hist.max >= measured.hist.min && totals.ticks > 0, "time passes");
    ksft::expect(totals.clock_cost_ticks > 0 && totals.clock_cost_ticks <= measured.hist.min,
                 "each value has the clock's cost in it");
}

/* --- What is under one hold of the lock ----------------------------------- */

constexpr std::uint32_t ops_per_hold = 512; /* RESOLVE makes as many under one hold */

/* Binds this thread, and those that it starts from now on. */
void stay_on_this_cpu() {
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(static_cast<std::size_t>(sched_getcpu()), &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
        ksft::fail(errno_error("sched_setaffinity").what);
}

/*
 * The numbers of get_pfn calls that STATS shows while another thread repeats @work. STATS reads the
 * number under the reservation lock, so it sees all calls of one hold or none. Ends when @enough is
 * true, or after far more readings and rounds than that takes.
 *
 * With @one_cpu the two threads alternate wherever the lock is free or wanted. Emulated processors
 * alternate much less often, and a reader would see the same number again and again. But a kernel
 * that preempts lazily may then let the worker go on to the end of each ioctl.
 */
std::set<std::uint64_t>
counts_under_lock(const Buffer& buffer, bool one_cpu, const std::function<void()>& work,
                  const std::function<bool(const std::set<std::uint64_t>&)>& enough) {
    constexpr int most_readings = 10'000;
    constexpr int most_rounds = 5000;
    std::atomic<bool> over{false};
    std::atomic<int> rounds{0};
    std::set<std::uint64_t> counts;

    if (one_cpu)
        stay_on_this_cpu();

    auto worker = in_thread([&] {
        for (; !over; rounds++)
            work();
    });

    for (int i = 0; (i < most_readings || rounds < most_rounds) && is_running(worker); i++) {
        counts.insert(device().stats(buffer.fd.get()).value().get_pfns);
        if (enough(counts))
            break;
        sched_yield();
    }
    over = true;
    worker.get();
    return counts;
}

using Work = std::function<void(const Scene&)>;

Work measuring(testexp_measure_mode mode) {
    return [=](const Scene& scene) {
        MeasureSpec spec = scene.spec();

        spec.mode = mode;
        spec.ops_per_batch = ops_per_hold;
        spec.batches = 20;
        (void)scene.importer.measure(spec).value();
    };
}

void delivering(const Scene& scene) {
    (void)scene.importer.deliver(scene.spec(), ops_per_hold).value();
}

void resolving(const Scene& scene) {
    const bool locked = scene.path.one_hold;

    (void)scene.importer
        .resolve(0, std::uint64_t{4} * ops_per_hold, 1, locked ? TESTEXP_RESOLVE_LOCKED : 0U)
        .value();
}

/* Audits the whole table, which holds_the_lock() has filled. */
void auditing(const Scene& scene) {
    (void)scene.importer.audit().value();
}

struct Held {
    testexp_path path;
    Work work;
    std::uint64_t per_hold; /* calls of get_pfn under one hold of the lock */
};

/*
 * @one_hold false: the control, with a hold for each call. One reading between two calls is enough
 * for the control, and a reader on another processor comes at any moment.
 */
void holds_the_lock(const Held& held, bool one_hold) {
    constexpr std::size_t nr_counts = 30;
    constexpr std::uint64_t nr_pages = std::uint64_t{4} * ops_per_hold;
    const Scene scene = make_scene(path_row(held.path), {.layout = Layout{}.ram(nr_pages),
                                                         .flags = TESTEXP_CREATE_CHECK_LOCK});
    const auto is_whole = [&](std::uint64_t count) { return count % held.per_hold == 0; };

    /* AUDIT needs a filled table. FILL's calls are whole holds, too. */
    (void)scene.importer.fill({.count = nr_pages}).value();

    const std::set<std::uint64_t> counts = counts_under_lock(
        scene.buffer, one_hold, [&] { held.work(scene); },
        [&](const auto& so_far) {
            return one_hold ? so_far.size() >= nr_counts : !std::ranges::all_of(so_far, is_whole);
        });

    if (one_hold) {
        ksft::expect(counts.size() >= nr_counts, "another thread got the lock between two holds");
        for (const std::uint64_t count : counts)
            ksft::expect(is_whole(count),
                         "calls that another holder of the lock counted: " + std::to_string(count) +
                             ", a multiple of " + std::to_string(held.per_hold));
    } else {
        ksft::expect(!std::ranges::all_of(counts, is_whole),
                     "another thread got the lock between two calls of a batch");
    }
    ksft::expect_eq(device().stats(scene.buffer.fd.get()).value().lock_violations, 0,
                    "calls without the lock, or beside its holder");
}

/*
 * Holds of more than ops_per_hold calls could be whole multiples as well. So some reading must be
 * an odd multiple: then the holds before this reading had no even number of ops_per_hold calls. An
 * ioctl has an even number of holds, so this reading comes between two holds of one ioctl.
 */
void resolve_ends_its_hold() {
    constexpr std::uint64_t nr_pages = std::uint64_t{16} * ops_per_hold;
    const Buffer buffer = device().create({.layout = Layout{}.ram(nr_pages)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const auto has_odd = [](const std::set<std::uint64_t>& counts) {
        return std::ranges::any_of(
            counts, [](std::uint64_t count) { return count / ops_per_hold % 2 == 1; });
    };
    const std::set<std::uint64_t> counts = counts_under_lock(
        buffer, true,
        [&] { (void)importer.resolve(0, nr_pages, 1, TESTEXP_RESOLVE_LOCKED).value(); }, has_odd);

    ksft::expect(has_odd(counts), "another thread got the lock after an odd number of holds");
}

void plan_hold(ksft::Plan& plan, const Path& path, const std::string& call, const Work& work) {
    plan.add(std::string("paths.one_hold") + (path.one_hold ? "" : "_control") +
                 "[path=" + path.name + ",call=" + call + "]",
             [held = Held{path.id, work, ops_per_hold}, one_hold = path.one_hold] {
                 holds_the_lock(held, one_hold);
             });
}

void plan_holds(ksft::Plan& plan) {
    for (const Path& path : paths)
        if (path.source == Source::get_pfn) {
            plan_hold(plan, path, "MEASURE,mode=batch", measuring(TESTEXP_MODE_BATCH));
            plan_hold(plan, path, "MEASURE,mode=single", measuring(TESTEXP_MODE_SINGLE));
            plan_hold(plan, path, "DELIVER", delivering);
        }
    /* RESOLVE has no paths: its two forms are like these two paths. */
    for (const testexp_path path : {TESTEXP_PATH_GET_PFN_BATCH, TESTEXP_PATH_GET_PFN})
        plan_hold(plan, path_row(path), "RESOLVE", resolving);
    plan.add("paths.one_hold[call=RESOLVE,calls=no_more]", resolve_ends_its_hold);
    plan.add("paths.one_hold[call=AUDIT]", [] {
        holds_the_lock({TESTEXP_PATH_GET_PFN, auditing, std::uint64_t{4} * ops_per_hold}, true);
    });
}

void plan_errors(ksft::Plan& plan, const Path& path, const std::string& parameter) {
    plan.add("paths.no_pfn" + parameter, [&path] { refuses_what_has_no_pfn(path); });
    plan.add("paths.revoked" + parameter, [&path] { refuses_a_revoked_buffer(path); });
    plan.add("paths.moved" + parameter, [&path] { finds_moved_pages(path); });
    plan.add("paths.foreign" + parameter, [&path] { meets_a_foreign_exporter(path); });
    if (path.needs_mapping())
        plan.add("paths.wrong_mapping" + parameter, [&path] { refuses_wrong_mappings(path); });
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    share_symbols();
    for (const Path& path : paths) {
        const std::string parameter = std::string("[path=") + path.name + "]";

        for (const Mode& mode : modes)
            plan.add(std::string("paths.adds_up[path=") + path.name + ",mode=" + mode.name + "]",
                     [&path, &mode] { measure_adds_up(path, mode.mode); });
        if (path.is_baseline())
            continue;
        for (const Named& named : layouts(path))
            plan.add(std::string("paths.delivers[path=") + path.name + ",layout=" + named.name +
                         "]",
                     [&path, spec = named.spec] { delivers_every_page(path, spec); });
        if (path.source == Source::get_pfn || path.source == Source::phys_list)
            plan.add("paths.synthetic" + parameter, [&path] { delivers_synthetic_pages(path); });
        if (path.any_sequence)
            plan.add("paths.sequence" + parameter, [&path] { keeps_its_sequence(path); });
        if (path.any_sequence && path.source == Source::get_pfn)
            plan.add("paths.batches_continue" + parameter, [&path] { batches_continue(path); });
        plan_errors(plan, path, parameter);
    }
    plan.add("paths.cold_pages_fault", cold_pages_fault);
    plan.add("paths.cold_batch_fits_the_window", cold_batch_fits_the_window);
    plan.add("paths.needs_its_leaf", needs_its_leaf);
    plan.add("paths.no_leaf[mapping=cut]", no_leaf_over_the_beginning);
    plan.add("paths.no_leaf[pages=synthetic]", no_leaf_of_synthetic);
    plan.add("paths.no_leaf[pages=mmio]", no_leaf_of_mmio);
    plan.add("paths.dma_to_phys_is_wrong[behind=iommu]", [] {
        dma_to_phys_is_wrong(DmaKind::iommu, "the importers' device is behind no IOMMU: "
                                             "scripts/vm --iommu, TESTEXP_IMPORTER_DEVICE");
    });
    plan.add("paths.dma_to_phys_is_wrong[behind=swiotlb]", [] {
        dma_to_phys_is_wrong(DmaKind::swiotlb, "the kernel was not booted with swiotlb=force");
    });
    plan_holds(plan);
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
