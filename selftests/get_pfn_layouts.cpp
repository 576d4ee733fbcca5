// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: from CREATE to the answer of get_pfn, the kernel gives the PFN and the exact max_order of
 * every page of any layout (P18), up to a million extents and up to buffers of 2^50 bytes and more.
 *
 * Method: all small layouts (every_layout.hpp), each in a buffer of its own, and more of them
 * packed by the thousand into one buffer; small and huge random layouts; large layouts chosen for
 * their borders. The extents are SYNTHETIC, because their PFNs can be chosen freely. The oracles
 * give the right answers; they share no code with the module. A layout that fails is shrunk and
 * printed as C++. TESTEXP_SEED draws other layouts.
 *
 * Does not see: whether a PFN belongs to the page that the bytes are in (pfn_witness, mmio).
 */
#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include <unistd.h>

#include "agreement.hpp"
#include "every_layout.hpp"
#include "fixture.hpp"
#include "kernel_lookup.hpp"
#include "packed_layouts.hpp"
#include "random_layouts.hpp"

using namespace testexp;

namespace {

template <typename T> T by_speed(T debug_kernel, T quick_run, T full_run) {
    return is_debug_kernel() ? debug_kernel : quick() ? quick_run : full_run;
}

/* The text contains code that can be pasted into a test. */
[[noreturn]] void fail_with(const Mismatch& mismatch) {
    ksft::fail(shrunk(mismatch, ask_kernel).text());
}

void expect_agreement(const Layout& layout, Checked& checked) {
    const std::optional<Mismatch> wrong = first_mismatch(layout, ask_kernel, &checked);

    if (wrong)
        fail_with(*wrong);
}

bool is_attachable(const Layout& layout) {
    return attachable(layout).code() == layout.code();
}

/* --- all small layouts ---------------------------------------------------- */

void every_layout_alone(const Bounds& bounds) {
    Checked checked;

    for_each_layout(bounds, [&](const Layout& layout, const Oracle&) {
        if (is_attachable(layout))
            expect_agreement(layout, checked);
    });
    ksft::note(checked.text());
}

/*
 * One buffer of many layouts. A layout that is wrong only among the others is reported with the
 * others.
 */
void expect_agreement(const PackedLayouts& packed, std::uint32_t resolve_flags, Checked& checked) {
    const Buffer buffer = device().create({.layout = packed.layout()}).value();
    const Importer importer =
        device().attach(buffer.fd.get(), attach_flags_for(packed.layout())).value();
    const std::vector<testexp_result> answers =
        importer.resolve(0, packed.expected().size(), 1, resolve_flags).value();
    const auto differ = std::mismatch(answers.begin(), answers.end(), packed.expected().begin(),
                                      packed.expected().end(), same);

    checked.layouts += packed.nr_layouts();
    if (differ.first == answers.end())
        return;

    const Mismatch wrong =
        packed.mismatch(static_cast<std::uint64_t>(differ.first - answers.begin()), *differ.first);

    if (first_mismatch(wrong.layout, ask_kernel))
        fail_with(wrong);
    ksft::fail("among " + std::to_string(packed.nr_layouts()) +
               " layouts in one buffer: " + wrong.text());
}

void every_layout_packed(const Bounds& bounds, const Form& form) {
    constexpr std::size_t extents_per_buffer = 1 << 16;
    PackedLayouts packed(bounds.max_pages);
    Checked checked;
    const auto flush = [&] {
        if (packed.nr_layouts() != 0)
            expect_agreement(packed, form.flags, checked);
        packed.clear();
    };

    for_each_layout(bounds, [&](const Layout& layout, const Oracle& oracle) {
        if (!is_attachable(layout))
            return;
        packed.add(layout, oracle);
        checked.add(oracle.nr_pages(), oracle.nr_pages());
        if (packed.layout().extents.size() > extents_per_buffer)
            flush();
    });
    flush();
    ksft::note(checked.text());
}

/* --- random layouts ------------------------------------------------------- */

void random_layouts(const RandomBounds& bounds, int count) {
    RandomLayouts layouts(seed(), bounds);
    Checked checked;

    for (int i = 0; i < count; i++)
        expect_agreement(attachable(layouts.next()), checked);
    ksft::note(checked.text());
}

/* --- large ones ----------------------------------------------------------- */

struct Named {
    const char* name;
    Layout layout;
};

constexpr std::uint64_t pages_of_pib = std::uint64_t{1} << 38; /* 2^50 bytes */

/* Two pieces that would be one block without the pages between them. */
Layout interrupted(std::uint64_t before, std::uint64_t between, std::uint64_t behind) {
    return Layout{}.synthetic(0, before).hole(between).synthetic(before + between, behind);
}

std::vector<Named> large_layouts() {
    constexpr std::uint64_t g = std::uint64_t{1} << 18; /* pages of 1 GiB */
    constexpr std::uint64_t four_g = std::uint64_t{1} << 32;
    constexpr std::uint64_t top = std::uint64_t{1} << TESTEXP_PFN_BITS;

    return {
        {"1_GiB", Layout{}.synthetic(5 * g, g)},
        {"1_GiB_off_by_one", Layout{}.synthetic(5 * g + 1, g)},
        {"1_GiB_one_page_short", Layout{}.synthetic(5 * g, g - 1)},
        {"1_GiB_misplaced", Layout{}.hole(1).synthetic(5 * g, g)},
        {"2_GiB_congruent", Layout{}.hole(7).synthetic(5 * g + 7, 2 * g)},
        {"4_GiB", Layout{}.synthetic(8 * g, 4 * g)},
        {"4_GiB_and_a_page", Layout{}.synthetic(8 * g, 4 * g + 1)},
        {"8_GiB", Layout{}.synthetic(8 * g, 8 * g)},
        {"8_GiB_behind_4_GiB_and_a_page",
         Layout{}.synthetic(16 * g, 4 * g + 1).synthetic(32 * g + 1, 8 * g)},
        {"2^50_bytes", Layout{}.synthetic(0, pages_of_pib)},
        {"2^50_bytes_odd_tail", Layout{}.synthetic(pages_of_pib, pages_of_pib - 3)},
        {"2^50_bytes_halved", interrupted(pages_of_pib / 2 - 1, 1, pages_of_pib / 2)},
        {"2^55_bytes", Layout{}.synthetic(0, 32 * pages_of_pib)},
        {"pgoff_2^32", Layout{}.hole(four_g - 4).synthetic(four_g - 4, 8).hole(1)},
        {"pgoff_2^32_halved", interrupted(four_g - 1, 1, four_g)},
        {"pfn_2^32", Layout{}.synthetic(four_g - 8, 16)},
        {"last_pfns", Layout{}.synthetic(top - 1024, 1024)},
        {"coalescing", Layout{}.synthetic(g, g / 2).synthetic(g + g / 2, g / 2)},
        {"reversed", Layout{}.synthetic(g + g / 2, g / 2).synthetic(g, g / 2)},
        {"repeated", Layout{}.synthetic(g, g / 2).synthetic(g, g / 2).synthetic(g, g / 2)},
        {"other_cache_mode",
         Layout{}.synthetic(g, g / 2).synthetic(g + g / 2, g / 2, {.cache = TESTEXP_CACHE_WC})},
    };
}

void large_layout(const Layout& layout) {
    Checked checked;

    expect_agreement(layout, checked);
    ksft::note(checked.text());
}

/*
 * At least one extent is longer than 2^32 bytes. DESCRIBE, phys_list and the size of the dma-buf
 * must give the right lengths.
 */
void long_extents(const std::vector<std::uint64_t>& lengths) {
    constexpr std::uint64_t far = std::uint64_t{1} << 24;
    Layout layout;

    for (std::size_t i = 0; i < lengths.size(); i++)
        layout.synthetic((lengths.size() - i) * far, lengths[i]);

    const Buffer buffer = device().create({.layout = layout}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const std::vector<testexp_delivered> list =
        importer.deliver({.path = TESTEXP_PATH_PHYS_LIST, .nr_pages = buffer.nr_pages}, 1).value();
    std::uint64_t pgoff = 0;

    ksft::expect_eq(list.size(), lengths.size(), "ranges");
    for (std::size_t i = 0; i < lengths.size(); i++) {
        const testexp_describe last = importer.describe(pgoff + lengths[i] - 1).value();

        ksft::expect_eq(last.first, pgoff, "first page according to DESCRIBE");
        ksft::expect_eq(last.nr_pages, lengths[i], "pages according to DESCRIBE");
        ksft::expect_eq(list.at(i).pgoff, pgoff, "pgoff of the range");
        ksft::expect_eq(list.at(i).pfn, (lengths.size() - i) * far, "first PFN of the range");
        ksft::expect_eq(list.at(i).nr_pages, lengths[i], "its pages");
        pgoff += lengths[i];
    }
    ksft::expect_eq(buffer.nr_pages, pgoff, "nr_pages");
    ksft::expect_eq(lseek(buffer.fd.get(), 0, SEEK_END), static_cast<off_t>(pgoff * page_bytes()),
                    "size of the dma-buf in bytes");
}

/*
 * Extents of 1, 2, ... @longest pages and again from 1, in descending order of their PFNs, so that
 * they never merge. With a stride other than 1 not all pages are asked for.
 */
void many_extents(std::uint64_t count, std::uint64_t longest, std::uint64_t stride) {
    Layout layout;
    Checked checked{.layouts = 1};

    for (std::uint64_t i = 0; i < count; i++)
        layout.synthetic((count - i) * 16, 1 + i % longest);

    const Oracle oracle(pages_of(layout));
    const std::uint64_t nr_pages = oracle.nr_pages();
    const Buffer buffer = device().create({.layout = layout}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();
    const std::vector<testexp_result> answers =
        importer.resolve(0, (nr_pages + 1) / stride + 1, stride).value();

    ksft::expect_eq(buffer.nr_pages, nr_pages, "nr_pages");
    for (std::size_t i = 0; i < answers.size(); i++)
        if (!same(answers[i], oracle.expected(i * stride)))
            ksft::fail("pgoff " + std::to_string(i * stride) + ": is " + describe(answers[i]) +
                       ", must be " + describe(oracle.expected(i * stride)));
    checked.add(answers.size(), nr_pages);
    ksft::note(checked.text());
}

void add_every_layout(ksft::Plan& plan) {
    const Bounds alone{.max_pages = by_speed(3U, 4U, 6U), .max_extents = 4};
    const Bounds packed{.max_pages = by_speed(4U, 7U, 9U), .max_extents = 4};
    const auto bounds = [](const Bounds& b) {
        return "pages=" + std::to_string(b.max_pages) +
               ",extents=" + std::to_string(b.max_extents) + "]";
    };

    plan.add("P18.every_layout[alone," + bounds(alone), [=] { every_layout_alone(alone); });
    for (const Form& form : forms)
        plan.add(std::string("P18.every_layout[packed,form=") + form.name + "," + bounds(packed),
                 [=] { every_layout_packed(packed, form); });
}

void make_plan(ksft::Plan& plan) {
    (void)device();
    ksft::note("TESTEXP_SEED=" + std::to_string(seed()));

    add_every_layout(plan);
    plan.add("P18.random_layouts[pages=small]", [] {
        random_layouts({.max_extents = 12, .max_length_order = 4}, by_speed(50, 300, 3000));
    });
    plan.add("P18.random_layouts[pages=thousands]", [] {
        random_layouts({.max_extents = 12, .max_length_order = 10}, by_speed(5, 20, 300));
    });
    plan.add("P18.random_layouts[pages=2^40]", [] {
        random_layouts({.max_extents = 12, .max_length_order = 40}, by_speed(2, 5, 100));
    });
    for (const Named& named : large_layouts())
        plan.add(std::string("P18.large[layout=") + named.name + "]",
                 [=] { large_layout(named.layout); });

    constexpr std::uint64_t four_gib = std::uint64_t{1} << 20;

    plan.add("P18.long_extent[bytes=4_GiB]", [] { long_extents({four_gib}); });
    plan.add("P18.long_extent[bytes=4_GiB_and_a_page]", [] { long_extents({four_gib + 1}); });
    plan.add("P18.long_extent[bytes=8_GiB]", [] { long_extents({2 * four_gib}); });
    const std::vector<std::uint64_t> all = {four_gib, four_gib + 1, 1, 2 * four_gib, 1};

    plan.add("P18.long_extent[bytes=all_of_them]", [all] { long_extents(all); });

    const std::uint64_t most = device().info().max_extents;
    const std::uint64_t fewer = quick() ? most / 8 : most;

    plan.add("P18.extents[count=" + std::to_string(most) + ",pages=1]",
             [=] { many_extents(most, 1, by_speed(1009U, 13U, 1U)); });
    plan.add("P18.extents[count=" + std::to_string(fewer) + ",pages=1..7]",
             [=] { many_extents(fewer, 7, by_speed(4001U, 53U, 1U)); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
