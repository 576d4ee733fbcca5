// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: get_pfn is exact (P17, P18) for RAM of any length and place: runs longer than what the
 * page allocator gives at once, up to 1 GiB; every physical skew against pgoff; tails that are no
 * power of two; blocks in reverse order. Each extent is where it was asked for.
 *
 * Method: every page is compared with a page table read from the CPU's page table through mmap.
 * Long runs are gathered from neighbouring free blocks; a case skips where there is no such run.
 *
 * Does not see: pages that are not RAM (get_pfn_layouts, mmio).
 */
#include <algorithm>
#include <vector>

#include "fixture.hpp"

using namespace testexp;

namespace {

constexpr std::uint32_t gib_order = 18;

std::uint64_t pages_of(std::uint32_t order) {
    return std::uint64_t{1} << order;
}

void expect_exact(const Subject& subject) {
    const Importer importer = device().attach(subject.buffer.fd.get()).value();

    for (const Form& form : forms)
        expect_truth(importer, subject, form);
}

/* Skips when there is no free run of that length. */
Subject make_run(const Layout& layout) {
    Result<Buffer> buffer = device().create({.layout = layout, .flags = reference_flags(layout)});

    if (buffer.code() == ENOMEM || buffer.code() == ENOSPC)
        ksft::skip("no free memory of that length in one piece: " + layout.describe());
    return make_subject(layout, std::move(buffer).value());
}

/* Here the order is known without a page table: the whole run is one block. */
void long_run(std::uint32_t order) {
    REQUIRE(order < gib_order || 3 * pages_of(order) <= device().info().max_pages,
            "a run of 1 GiB in one piece is rare in less than 4 GiB of memory");

    const Subject subject = make_run(Layout{}.ram(pages_of(order), {.align_order = order}));

    for (const std::uint64_t pgoff : {std::uint64_t{0}, pages_of(order) / 2, pages_of(order) - 1})
        ksft::expect_eq(subject.oracle.expected(pgoff).max_order, order, "oracle's max_order");
    expect_exact(subject);
}

/* A run that begins one page late, and ends one page early or late. */
void ragged_run(std::uint64_t nr_pages, std::uint32_t align_order, std::uint64_t skew) {
    expect_exact(make_run(
        Layout{}.hole(skew % 3 + 1).ram(nr_pages, {.align_order = align_order, .skew = skew})));
}

/* A buffer of one block, and the PFN of the block. */
struct Block {
    Buffer buffer;
    std::uint64_t pfn;
};

Block make_block(std::uint32_t order) {
    Buffer buffer =
        device().create({.layout = Layout{}.ram(pages_of(order), {.align_order = order})}).value();
    const Importer importer = device().attach(buffer.fd.get()).value();

    return {std::move(buffer), importer.resolve(0, 1).value().front().pfn};
}

/*
 * Allocates an odd number of neighbouring blocks and frees every second one, so that each free
 * block lies between two used blocks.
 */
std::vector<Block> fragment_memory(std::uint32_t order, std::size_t count) {
    std::vector<Block> blocks, kept;

    for (std::size_t i = 0; i < count; i++)
        blocks.push_back(make_block(order));
    std::ranges::sort(blocks, {}, &Block::pfn);
    for (std::size_t i = 0; i < count; i += 2)
        kept.push_back(std::move(blocks[i]));
    return kept;
}

/*
 * One page more than a block, where most free blocks are followed by a used block. The module takes
 * 64 blocks before it looks for neighbours among them, so there are more free blocks than that,
 * except on a debug kernel.
 */
void run_among_others(std::uint32_t order) {
    const std::vector<Block> others = fragment_memory(order, is_debug_kernel() ? 33 : 161);
    const Subject run = make_run(Layout{}.ram(pages_of(order) + 1, {.align_order = order}));

    expect_exact(run);
    for (const Page& page : run.oracle.pages())
        for (const Block& other : others)
            if (page.pfn - other.pfn < pages_of(order))
                ksft::fail("PFN " + std::to_string(page.pfn) + " is another buffer's");
}

/*
 * Extents of 2^@order and one page more, with every skew at every offset of pgoff modulo 2^@order:
 * all in one buffer, with holes that make the offsets.
 */
void every_skew(std::uint32_t order) {
    const std::uint64_t block = pages_of(order);
    Layout layout;

    for (std::uint64_t skew = 0; skew < block; skew++)
        for (std::uint64_t offset = 0; offset < block; offset++) {
            layout.hole(block + (offset - layout.nr_pages()) % block);
            layout.ram(block + 1, {.align_order = order, .skew = skew});
        }
    expect_exact(make_subject({.layout = layout}));
}

/* Each length next to a power of two, with the best possible alignment. */
void tails(std::uint32_t order) {
    Layout layout;

    for (const std::uint64_t length :
         {pages_of(order) - 1, pages_of(order) + 1, 3 * pages_of(order) / 2 + 1}) {
        const std::uint64_t block = pages_of(order + 1);

        layout.hole(block - layout.nr_pages() % block);
        layout.ram(length, {.align_order = order + 1});
    }
    expect_exact(make_subject({.layout = layout}));
}

void reversed(std::uint32_t order) {
    expect_exact(
        make_subject({.layout = Layout{}.ram(pages_of(order), {.align_order = order, .repeat = 8}),
                      .flags = TESTEXP_CREATE_SCATTER}));
}

/*
 * Orders beyond the allocator's largest: all of them, or only the smallest and largest where all
 * would take too long.
 */
std::vector<std::uint32_t> long_orders(std::uint32_t max_order) {
    std::vector<std::uint32_t> orders{max_order + 1};

    if (!is_debug_kernel() && !quick())
        for (std::uint32_t order = max_order + 2; order < gib_order; order++)
            orders.push_back(order);
    if (!is_debug_kernel())
        orders.push_back(gib_order);
    return orders;
}

void make_plan(ksft::Plan& plan) {
    const std::uint32_t max_order = device().info().max_page_order;

    for (const std::uint32_t order : long_orders(max_order))
        plan.add("P18.run[order=" + std::to_string(order) + "]", [=] { long_run(order); });
    for (const std::uint32_t order : {max_order, max_order + 1}) {
        const std::string parameter = "order=" + std::to_string(order) + "]";

        plan.add("P18.ragged_run[one_page_less," + parameter,
                 [=] { ragged_run(pages_of(order) - 1, order, 1); });
        plan.add("P18.ragged_run[one_page_more," + parameter,
                 [=] { ragged_run(pages_of(order) + 1, order, pages_of(order) - 1); });
    }
    plan.add("P22.run_takes_nobodys_pages", [=] { run_among_others(max_order); });
    for (std::uint32_t order = 1; order <= (is_debug_kernel() ? 2U : quick() ? 4U : 5U); order++)
        plan.add("P18.every_skew[order=" + std::to_string(order) + "]", [=] { every_skew(order); });
    for (std::uint32_t order = 1; order < max_order; order++)
        plan.add("P18.tails[order=" + std::to_string(order) + "]", [=] { tails(order); });
    for (std::uint32_t order = 0; order <= max_order; order++)
        plan.add("P18.reversed[order=" + std::to_string(order) + "]", [=] { reversed(order); });
}

} // namespace

int main() {
    return ksft::run(make_plan);
}
