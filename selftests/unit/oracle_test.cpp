// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: the oracle gives the answers that were written down by hand, and those of section 2 of the
 * contract taken literally: every page of every block of every order, for every pgoff.
 */
#include <cerrno>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "oracle.hpp"

namespace {

using testexp::Layout;
using testexp::Oracle;
using testexp::Page;

constexpr std::uint32_t ram = TESTEXP_EXTENT_RAM;
constexpr std::uint32_t hole = TESTEXP_EXTENT_HOLE;
constexpr std::uint32_t priv = TESTEXP_EXTENT_PRIVATE;

/* Adds @count pages of RAM that begin with @pfn. */
void add_run(std::vector<Page>& pages, std::uint64_t pfn, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; i++)
        pages.push_back({.pfn = pfn + i, .type = ram});
}

std::vector<int> orders_of(const Oracle& oracle) {
    std::vector<int> orders;

    for (std::uint64_t pgoff = 0; pgoff < oracle.nr_pages(); pgoff++)
        orders.push_back(oracle.expected(pgoff).error ? -1 : oracle.expected(pgoff).max_order);
    return orders;
}

std::vector<int> orders_of_run(std::uint64_t pfn, std::uint64_t count) {
    std::vector<Page> pages;

    add_run(pages, pfn, count);
    return orders_of(Oracle(pages));
}

using Orders = std::vector<int>;

TEST(Oracle, OneExtentAligned) {
    EXPECT_EQ(orders_of_run(0x100, 8), Orders(8, 3));
}

TEST(Oracle, TailIsShorter) {
    EXPECT_EQ(orders_of_run(0x100, 7), (Orders{2, 2, 2, 2, 1, 1, 0}));
}

TEST(Oracle, PfnNotCongruentToPgoff) {
    EXPECT_EQ(orders_of_run(0x101, 8), Orders(8, 0));
    EXPECT_EQ(orders_of_run(0x102, 8), Orders(8, 1));
    EXPECT_EQ(orders_of_run(0x104, 8), Orders(8, 2));
}

TEST(Oracle, ExtentThatStartsInTheMiddleOfABlock) {
    std::vector<Page> pages;

    add_run(pages, 0x500, 3);
    add_run(pages, 0x103, 5);
    EXPECT_EQ(orders_of(Oracle(pages)), (Orders{1, 1, 0, 0, 2, 2, 2, 2}));
}

TEST(Oracle, NoBlockOverAHoleOrPrivatePage) {
    for (const std::uint32_t type : {hole, priv}) {
        std::vector<Page> pages;

        add_run(pages, 0x100, 8);
        pages[5] = {.pfn = 0, .type = type};
        EXPECT_EQ(orders_of(Oracle(pages)), (Orders{2, 2, 2, 2, 0, -1, 1, 1}));
    }
}

TEST(Oracle, NoBlockOverABorderOfKinds) {
    const Page others[] = {{.pfn = 0x104, .type = TESTEXP_EXTENT_MMIO},
                           {.pfn = 0x104, .type = ram, .cache = TESTEXP_CACHE_UC},
                           {.pfn = 0x104, .type = ram, .attributes = TESTEXP_EXTENT_P2P}};

    for (const Page& other : others) {
        std::vector<Page> pages;

        add_run(pages, 0x100, 8);
        pages[4] = other;
        EXPECT_EQ(orders_of(Oracle(pages)), (Orders{2, 2, 2, 2, 0, 0, 1, 1}));
        for (std::size_t i = 5; i < pages.size(); i++) {
            pages[i] = other;
            pages[i].pfn = 0x100 + i;
        }
        EXPECT_EQ(orders_of(Oracle(pages)), Orders(8, 2));
    }
}

/* The wrong page is inside one half of the block, not where the halves meet. */
TEST(Oracle, EveryPageOfABlockCounts) {
    for (std::size_t wrong = 0; wrong < 16; wrong++) {
        std::vector<Page> pages;

        add_run(pages, 0x100, 16);
        pages[wrong].pfn += 0x1000000;
        EXPECT_LT(Oracle(pages).expected(wrong ^ 8).max_order, 4) << wrong;
    }
}

TEST(Oracle, NaturallyAdjacentExtentsAreOne) {
    std::vector<Page> pages;

    add_run(pages, 0x100, 3);
    add_run(pages, 0x103, 5);
    EXPECT_EQ(orders_of(Oracle(pages)), Orders(8, 3));
}

TEST(Oracle, Errors) {
    const Oracle oracle(
        {{.pfn = 7, .type = ram}, {.pfn = 0, .type = hole}, {.pfn = 0, .type = priv}});

    EXPECT_EQ(oracle.expected(0).error, 0);
    EXPECT_EQ(oracle.expected(0).pfn, 7U);
    EXPECT_EQ(oracle.expected(1).error, -ENXIO);
    EXPECT_EQ(oracle.expected(2).error, -EOPNOTSUPP);
    for (const std::uint64_t pgoff : {std::uint64_t{3}, ~std::uint64_t{0}}) {
        EXPECT_EQ(oracle.expected(pgoff).error, -EINVAL);
        EXPECT_EQ(oracle.expected(pgoff).pfn, TESTEXP_UNTOUCHED_PFN);
        EXPECT_EQ(oracle.expected(pgoff).max_order, TESTEXP_UNTOUCHED_ORDER);
    }
}

/* Section 2 of the contract as it is written. */
int literal_max_order(const std::vector<Page>& pages, std::uint64_t pgoff) {
    int max_order = -1;

    for (int order = 0;; order++) {
        const std::uint64_t count = std::uint64_t{1} << order;
        const std::uint64_t first = pgoff / count * count;

        if (first + count > pages.size() || pages[pgoff].pfn % count != pgoff % count)
            return max_order;
        for (std::uint64_t i = first; i < first + count; i++)
            if (!pages[i].has_pfn() || !pages[i].is_like(pages[first]) ||
                pages[i].pfn - pages[first].pfn != i - first)
                return max_order;
        max_order = order;
    }
}

class RandomPages {
public:
    explicit RandomPages(unsigned int seed) : random_(seed) {}

    std::vector<Page> next(std::size_t nr_pages) {
        std::vector<Page> pages;

        while (pages.size() < nr_pages) {
            if (below(6) == 0)
                pages.push_back({.pfn = 0, .type = below(2) ? hole : priv});
            else if (below(3) == 0)
                add_run(pages, 1024 * below(64) + pages.size(), 1 + below(100));
            else
                add_run(pages, below(4096), 1 + below(70));
        }
        if (below(2))
            change_kind(pages);
        return pages;
    }

private:
    std::size_t below(std::size_t n) { return random_() % n; }

    /* Changes the kind of a random range of pages. */
    void change_kind(std::vector<Page>& pages) {
        const std::size_t first = below(pages.size());
        const std::size_t end = first + below(pages.size() - first);
        const std::size_t which = below(3);

        for (std::size_t i = first; i < end; i++) {
            if (which == 0)
                pages[i].cache = TESTEXP_CACHE_WC;
            else if (which == 1)
                pages[i].attributes = TESTEXP_EXTENT_P2P;
            else if (pages[i].has_pfn())
                pages[i].type = TESTEXP_EXTENT_MMIO;
        }
    }

    std::mt19937 random_;
};

TEST(Oracle, AgreesWithTheContractLiterally) {
    RandomPages random(20241);

    for (int round = 0; round < 300; round++) {
        const std::vector<Page> pages = random.next(200);
        const Oracle oracle(pages);

        for (std::uint64_t pgoff = 0; pgoff < pages.size(); pgoff++) {
            const int literal = literal_max_order(pages, pgoff);
            const testexp_result expected = oracle.expected(pgoff);

            ASSERT_EQ(expected.error ? -1 : expected.max_order, literal)
                << "round " << round << " pgoff " << pgoff;
        }
    }
}

TEST(Oracle, PopUndoesPush) {
    RandomPages random(7);

    for (int round = 0; round < 20; round++) {
        std::vector<Page> pages = random.next(100);
        Oracle oracle(pages);

        for (; !pages.empty(); pages.pop_back(), oracle.pop())
            ASSERT_EQ(orders_of(oracle), orders_of(Oracle(pages))) << pages.size();
        EXPECT_EQ(oracle.nr_pages(), 0U);
    }
}

TEST(Layout, UniformAndItsDescription) {
    const Layout layout = Layout::uniform(8 * testexp::page_bytes(), 1);

    EXPECT_EQ(layout.nr_pages(), 8U);
    EXPECT_EQ(layout.describe(), "2@1x4");
    EXPECT_EQ(Layout{}.ram(3).hole(2).priv(1).describe(), "3+hole:2+private:1");
    EXPECT_EQ(Layout{}.mmio(2, 3).alias(0, 1).synthetic(4096, 16).describe(),
              "mmio:3from2uc+alias:1+synthetic:2^4from4096");
    EXPECT_THROW(Layout::uniform(3 * testexp::page_bytes(), 1), std::invalid_argument);
    EXPECT_THROW(Layout::uniform(0, 0), std::invalid_argument);
}

/* The printed code is the expression that made the layout. */
#define EXPECT_CODE(expression) EXPECT_EQ((expression).code(), #expression)

TEST(Layout, Code) {
    EXPECT_CODE(Layout{});
    EXPECT_CODE(Layout{}.hole(3).priv(4095).hole(0x1000));
    EXPECT_CODE(Layout{}.ram(1).ram(2, {.repeat = 5}).ram(3, {.align_order = 9, .skew = 1}));
    EXPECT_CODE(Layout{}.synthetic(0x123456, 4).synthetic(0, 1, {.cache = TESTEXP_CACHE_UC}));
    EXPECT_CODE(Layout{}.synthetic(7, 8, {.cache = TESTEXP_CACHE_WB, .repeat = 2}));
    EXPECT_CODE(Layout{}.mmio(0, 1).mmio(1, 2, {.cache = TESTEXP_CACHE_WC}).alias(2, 1));
    EXPECT_EQ(Layout{}.synthetic(7, 8, {.attributes = TESTEXP_EXTENT_P2P}).code(),
              "Layout{}.synthetic(7, 8, {.cache = TESTEXP_CACHE_UC, "
              ".attributes = TESTEXP_EXTENT_P2P})");
}

TEST(Layout, PagesOf) {
    const std::vector<Page> pages =
        testexp::pages_of(Layout{}.ram(2, {.align_order = 1, .skew = 0, .repeat = 2}).hole(1));

    ASSERT_EQ(pages.size(), 5U);
    EXPECT_EQ(pages[3].type, ram);
    EXPECT_EQ(pages[4].type, hole);
}

TEST(Layout, PagesOfOtherKinds) {
    const std::vector<Page> pages = testexp::pages_of(
        Layout{}
            .synthetic(0x50, 2, {.cache = TESTEXP_CACHE_WC, .attributes = TESTEXP_EXTENT_P2P})
            .alias(0, 1)
            .mmio(7, 1));

    ASSERT_EQ(pages.size(), 4U);
    EXPECT_EQ(pages[1].pfn, 0x51U);
    EXPECT_EQ(pages[1].cache, TESTEXP_CACHE_WC);
    EXPECT_EQ(pages[1].attributes, TESTEXP_EXTENT_P2P);
    EXPECT_EQ(pages[2].type, ram);
    EXPECT_EQ(pages[3].type, TESTEXP_EXTENT_MMIO);
    EXPECT_EQ(pages[3].cache, TESTEXP_CACHE_UC);
    EXPECT_EQ(pages[3].pfn, 0U);
}

} // namespace
