// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: max_order is exact for every page of any layout (P18). In buffers that mix RAM, holes and
 * private pages each page gets its own answer, and no block reaches over a border (P12), however
 * far into the buffer they are.
 *
 * Method: layouts chosen for their corner cases, and random layouts. Every page is compared with a
 * brute-force page table, which is read from the CPU's page table through mmap. A failure prints
 * the seed; TESTEXP_SEED repeats it.
 *
 * Does not see: MMIO and cache attributes (mmio, cache_modes).
 */
#include <algorithm>
#include <random>
#include <vector>

#include "fixture.hpp"

using namespace testexp;

namespace {

constexpr std::uint32_t scatter = TESTEXP_CREATE_SCATTER;

struct Named {
    const char* name;
    CreateSpec spec;
};

Layout orders(int first, int last, int step) {
    Layout layout;

    for (int order = first; order != last + step; order += step)
        layout.ram(std::uint64_t{1} << order, {.align_order = static_cast<std::uint32_t>(order)});
    return layout;
}

/* Extents of the given lengths whose PFNs are all congruent to pgoff modulo 2^9. */
Layout congruent(const std::vector<std::uint64_t>& lengths) {
    Layout layout;
    std::uint64_t pgoff = 0;

    for (const std::uint64_t length : lengths) {
        layout.ram(length, {.align_order = 9, .skew = pgoff % 512});
        pgoff += length;
    }
    return layout;
}

Layout congruent_with(std::uint64_t before, std::uint32_t type, std::uint64_t length) {
    Layout layout;

    layout.ram(before, {.align_order = 9});
    if (type == TESTEXP_EXTENT_HOLE)
        layout.hole(length);
    else
        layout.priv(length);
    return layout.ram(512, {.align_order = 9, .skew = (before + length) % 512});
}

std::vector<Named> p18_layouts() {
    return {
        {"orders_up", {.layout = orders(0, 9, 1)}},
        {"orders_down", {.layout = orders(9, 0, -1)}},
        {"tail_short", {.layout = Layout{}.ram(511, {.align_order = 9})}},
        {"tail_long", {.layout = Layout{}.ram(513, {.align_order = 9})}},
        {"odd_pfn", {.layout = Layout{}.ram(512, {.align_order = 9, .skew = 1})}},
        {"odd_start", {.layout = congruent({1, 700, 5, 300})}},
        {"congruent_odd", {.layout = congruent({3, 5, 17, 511, 1, 64, 129})}},
        {"incongruent", {.layout = Layout{}.ram(1).ram(512, {.align_order = 9})}},
        {"scattered_pages", {.layout = Layout{}.ram(1, {.repeat = 600}), .flags = scatter}},
        {"scattered_orders",
         {.layout = Layout{}.ram(16, {.align_order = 4, .repeat = 40}), .flags = scatter}},
        {"adjacent_if_lucky", {.layout = Layout{}.ram(1, {.repeat = 1024})}},
        {"adjacent_blocks", {.layout = Layout{}.ram(64, {.align_order = 6, .repeat = 32})}},
    };
}

std::vector<Named> p12_layouts() {
    constexpr std::uint32_t hole = TESTEXP_EXTENT_HOLE;
    constexpr std::uint32_t priv = TESTEXP_EXTENT_PRIVATE;

    return {
        {"hole_only", {.layout = Layout{}.hole(5)}},
        {"private_only", {.layout = Layout{}.priv(5)}},
        {"hole_first", {.layout = Layout{}.hole(3).ram(512, {.align_order = 9, .skew = 3})}},
        {"private_last", {.layout = Layout{}.ram(512, {.align_order = 9}).priv(1)}},
        {"hole_of_1", {.layout = congruent_with(100, hole, 1)}},
        {"hole_of_block", {.layout = congruent_with(128, hole, 128)}},
        {"private_of_1", {.layout = congruent_with(255, priv, 1)}},
        {"private_of_block", {.layout = congruent_with(256, priv, 256)}},
        {"all_types", {.layout = Layout{}.ram(7).hole(2).priv(3).hole(1).ram(9).priv(4).ram(1)}},
        {"next_to_each_other", {.layout = Layout{}.hole(1).hole(7).priv(8).priv(1).ram(1)}},
    };
}

void every_page(const CreateSpec& spec, std::uint32_t attach_flags) {
    if (attach_flags & TESTEXP_ATTACH_NO_DEVICE)
        REQUIRE(device().has(TESTEXP_FEAT_NO_DEVICE),
                "the stock kernel refuses device-less importers");

    const Subject subject = make_subject(spec);
    const Importer importer = device().attach(subject.buffer.fd.get(), attach_flags).value();

    for (const Form& form : forms)
        expect_truth(importer, subject, form);
}

/*
 * With any stride the answers are those of single pages, also where one chunk of RESOLVE ends and
 * the next begins.
 */
void strided() {
    const Subject subject = make_subject({.layout = congruent({3, 700, 1, 300})});
    const Importer importer = device().attach(subject.buffer.fd.get()).value();
    const std::uint64_t nr_pages = subject.oracle.nr_pages();

    for (const std::uint64_t stride : {2U, 3U, 511U, 1003U})
        for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1}, nr_pages - 1}) {
            const std::uint64_t count = (nr_pages - first + stride - 1) / stride;
            const auto answers = importer.resolve(first, count, stride).value();

            for (std::uint64_t i = 0; i < count; i++)
                ksft::expect_eq(answers[i].pfn, subject.oracle.expected(first + i * stride).pfn,
                                "pfn");
        }
}

/*
 * Eight pages round an offset where a 32-bit number of pages or of bytes would wrap, with holes
 * before and behind. Only the blocks of four pages on either side are aligned.
 */
void far(std::uint64_t border) {
    const std::uint64_t first = border - 4;
    const Layout layout =
        Layout{}.hole(first).ram(8, {.align_order = 4, .skew = first % 16}).hole(4);
    const Buffer buffer =
        device().create({.layout = layout, .flags = reference_flags(layout)}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const std::vector<std::uint64_t> pfns =
        pfns_behind(Mapping::map(buffer.fd.get(), 8, first).value());

    ksft::expect_eq(buffer.nr_pages, border + 8, "nr_pages");
    for (const Form& form : forms) {
        const auto answers = importer.resolve(first, 8, 1, form.flags).value();

        for (std::size_t i = 0; i < answers.size(); i++) {
            ksft::expect_eq(answers[i].error, 0, "error");
            ksft::expect_eq(answers[i].pfn, pfns[i], "pfn");
            ksft::expect_eq(answers[i].max_order, 2, "max_order");
        }
        /* Without max_order the core calls the exporter from another place. */
        const auto pfns_only =
            importer.resolve(first, 8, 1, form.flags | TESTEXP_RESOLVE_NO_ORDER).value();

        for (std::size_t i = 0; i < pfns_only.size(); i++) {
            ksft::expect_eq(pfns_only[i].error, 0, "error without max_order");
            ksft::expect_eq(pfns_only[i].pfn, pfns[i], "pfn without max_order");
        }
        for (const std::uint64_t hole : {std::uint64_t{0}, first - 1, border + 4, border + 7})
            expect_refused(importer.resolve(hole, 1, 1, form.flags).value()[0], ENXIO, "a hole");
        expect_refused(importer.resolve(border + 8, 1, 1, form.flags).value()[0], EINVAL, "end");
    }
}

class RandomLayouts {
public:
    explicit RandomLayouts(std::uint64_t seed) : random_(seed) {}

    CreateSpec next() {
        CreateSpec spec{.layout = {}, .flags = below(2) ? scatter : 0U};

        for (std::uint64_t left = 1 + below(12); left; left--)
            add_extent(spec.layout);
        return spec;
    }

private:
    std::uint64_t below(std::uint64_t n) { return random_() % n; }

    /* Small and large lengths are equally likely. */
    std::uint64_t length() { return 1 + below(std::uint64_t{1} << below(10)); }

    void add_extent(Layout& layout) {
        const std::uint64_t kind = below(10);

        if (kind == 0)
            layout.hole(length());
        else if (kind == 1)
            layout.priv(length());
        else
            add_ram(layout);
    }

    /* Often pfn == pgoff modulo a power of two: without this there would be no large blocks. */
    void add_ram(Layout& layout) {
        const auto align_order =
            static_cast<std::uint32_t>(below(std::min(device().info().max_page_order, 9U) + 1));
        const std::uint64_t block_pages = std::uint64_t{1} << align_order;
        const std::uint64_t skew =
            (below(3) ? layout.nr_pages() : below(block_pages)) % block_pages;
        const std::uint64_t most = (std::uint64_t{1} << device().info().max_page_order) - skew;

        layout.ram(std::min(length(), most),
                   {.align_order = align_order, .skew = skew, .repeat = 1 + below(4)});
    }

    std::mt19937_64 random_;
};

void random_layouts(std::uint64_t batch_seed, int count) {
    RandomLayouts layouts(batch_seed);
    /* With a device, a dynamic importer would map at attach, which a hole prevents. */
    const std::uint32_t other_kind = device().has(TESTEXP_FEAT_NO_DEVICE)
                                         ? TESTEXP_ATTACH_DYNAMIC | TESTEXP_ATTACH_NO_DEVICE
                                         : 0U;

    for (int i = 0; i < count; i++)
        every_page(layouts.next(), i % 2 ? other_kind : 0U);
}

void make_plan(ksft::Plan& plan) {
    constexpr int batches = 10;
    const int layouts_per_batch = quick() ? 5 : 20;

    (void)device();
    ksft::note("TESTEXP_SEED=" + std::to_string(seed()));

    for (const Named& named : p18_layouts())
        plan.add(std::string("P18.max_order[layout=") + named.name + "]",
                 [=] { every_page(named.spec, 0); });
    plan.add("P18.strided", strided);
    for (const Named& named : p12_layouts()) {
        const std::string parameter = std::string("[layout=") + named.name;

        plan.add("P12.mixed" + parameter + ",device=yes]", [=] { every_page(named.spec, 0); });
        plan.add("P12.mixed" + parameter + ",device=no]",
                 [=] { every_page(named.spec, TESTEXP_ATTACH_NO_DEVICE); });
    }
    for (const int log2_pages : {20, 21, 31, 32, 40}) /* 2^20 pages are 4 GiB */
        plan.add("P12.far[pgoff=2^" + std::to_string(log2_pages) + "]",
                 [=] { far(std::uint64_t{1} << log2_pages); });
    for (int batch = 0; batch < batches; batch++)
        plan.add("P18.random[batch=" + std::to_string(batch) + "]", [=] {
            random_layouts(seed() + static_cast<std::uint64_t>(batch), layouts_per_batch);
        });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
