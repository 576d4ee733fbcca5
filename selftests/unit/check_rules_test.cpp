// SPDX-License-Identifier: GPL-2.0
/*
 * The parts of dmabuf-check that need no kernel: the law of blocks with each way to break it, which
 * pages are asked, the words of the command line, what a source refuses, /proc/iomem, entries of
 * the page table, and the table of importers.
 */
#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

#include "block_law.hpp"
#include "importer_kinds.hpp"
#include "iomem.hpp"
#include "layout_text.hpp"
#include "offer.hpp"
#include "page_entry.hpp"
#include "source.hpp"
#include "words.hpp"

using namespace check;

namespace {

/* Answers for pages that begin at @pgoff and are contiguous from @pfn on. */
void append(std::vector<Answer>& answers, std::uint64_t count, std::uint64_t pfn, int order) {
    const std::uint64_t pgoff = answers.empty() ? 0 : answers.back().pgoff + 1;

    for (std::uint64_t i = 0; i < count; i++)
        answers.push_back({.pgoff = pgoff + i,
                           .result = {.pfn = pfn + i, .max_order = order, .error = 0},
                           .attributes = Attributes{}});
}

void append_hole(std::vector<Answer>& answers, int error = -ENXIO) {
    append(answers, 1, 0, 0);
    answers.back().result = {TESTEXP_UNTOUCHED_PFN, TESTEXP_UNTOUCHED_ORDER, error};
    answers.back().attributes.reset();
}

/* A buffer of one run that is right: 16 pages in one block. */
std::vector<Answer> one_block() {
    std::vector<Answer> answers;

    append(answers, 16, 0x1000, 4);
    return answers;
}

std::vector<std::uint64_t> faulty_pages(const std::vector<Answer>& answers,
                                        std::uint64_t nr_pages) {
    std::vector<std::uint64_t> pages;

    for (const Fault& fault : block_faults(answers, nr_pages))
        pages.push_back(fault.pgoff);
    return pages;
}

std::vector<std::uint64_t> from_to(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> pages;

    for (std::uint64_t page = first; page <= last; page++)
        pages.push_back(page);
    return pages;
}

bool has_fault_with(const std::vector<Answer>& answers, std::uint64_t nr_pages,
                    const std::string& text) {
    return std::ranges::any_of(block_faults(answers, nr_pages), [&](const Fault& fault) {
        return fault.text.find(text) != std::string::npos;
    });
}

TEST(BlockLaw, RightAnswersHaveNoFault) {
    EXPECT_TRUE(block_faults(one_block(), 16).empty());
}

TEST(BlockLaw, SmallerOrdersAreAllowed) {
    std::vector<Answer> answers = one_block();

    for (Answer& answer : answers)
        answer.result.max_order = static_cast<int>(answer.pgoff % 5);
    EXPECT_TRUE(block_faults(answers, 16).empty());
}

TEST(BlockLaw, ABlockReachesOverTheEnd) {
    std::vector<Answer> answers = one_block();

    answers.pop_back();
    EXPECT_EQ(faulty_pages(answers, 15), from_to(0, 14));
    EXPECT_TRUE(has_fault_with(answers, 15, "the buffer ends at 15"));
}

TEST(BlockLaw, OneOrderTooLargeAtTheLastPage) {
    std::vector<Answer> answers;

    append(answers, 16, 0x1000, 4);
    append(answers, 1, 0x1010, 0);
    EXPECT_TRUE(block_faults(answers, 17).empty());
    answers.back().result.max_order = 1;
    EXPECT_EQ(faulty_pages(answers, 17), from_to(16, 16));
}

TEST(BlockLaw, ASeamInTheMiddleWhoseEndsAgree) {
    std::vector<Answer> answers = one_block();

    std::swap(answers[7].result.pfn, answers[8].result.pfn);
    EXPECT_EQ(faulty_pages(answers, 16), from_to(0, 15));
    EXPECT_TRUE(has_fault_with(answers, 16, "is not contiguous"));
}

TEST(BlockLaw, OnlyOnePageReportsTheBlockOverTheSeam) {
    std::vector<Answer> answers;

    append(answers, 8, 0x1000, 3);
    append(answers, 8, 0x2008, 3);
    EXPECT_TRUE(block_faults(answers, 16).empty());
    answers[11].result.max_order = 4;
    EXPECT_EQ(faulty_pages(answers, 16), from_to(11, 11));
}

TEST(BlockLaw, AHoleInTheBlock) {
    std::vector<Answer> answers;

    append(answers, 5, 0x1000, 3);
    append_hole(answers, -EOPNOTSUPP);
    append(answers, 2, 0x1006, 3);
    EXPECT_EQ(faulty_pages(answers, 8), (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 6, 7}));
    EXPECT_TRUE(has_fault_with(answers, 8, "has no PFN: error -95"));
}

TEST(BlockLaw, APfnThatIsNotAligned) {
    std::vector<Answer> answers;

    append(answers, 16, 0x1001, 4);
    EXPECT_EQ(faulty_pages(answers, 16), from_to(0, 15));
    EXPECT_TRUE(has_fault_with(answers, 16, "differ modulo 2^4"));
}

TEST(BlockLaw, AnotherTypeOrCacheModeInTheBlock) {
    std::vector<Answer> answers = one_block();

    answers[15].attributes->cache = TESTEXP_CACHE_WC;
    EXPECT_EQ(faulty_pages(answers, 16), from_to(0, 15));
    answers = one_block();
    answers[0].attributes->type = TESTEXP_EXTENT_MMIO;
    EXPECT_EQ(faulty_pages(answers, 16), from_to(0, 15));
    EXPECT_TRUE(has_fault_with(answers, 16, "another type or cache mode"));
}

TEST(BlockLaw, NumbersThatAreNoOrder) {
    for (const int order : {-1, 52, 63, 64, 1000, TESTEXP_UNTOUCHED_ORDER}) {
        std::vector<Answer> answers = one_block();

        answers[3].result.max_order = order;
        EXPECT_EQ(faulty_pages(answers, 16), from_to(3, 3)) << order;
    }
}

/* What 32 bits leave of an address of 8 GiB: the block begins again at 0. */
TEST(BlockLaw, PfnsOfWhichTheHighBitsAreLost) {
    std::vector<Answer> answers;

    append(answers, 4, 0xffffc, 3);
    append(answers, 4, 0x0, 3);
    EXPECT_EQ(faulty_pages(answers, 8), from_to(0, 7));
}

TEST(BlockLaw, PagesThatNobodyAskedAreNotJudged) {
    std::vector<Answer> answers = one_block();

    std::erase_if(answers, [](const Answer& answer) { return answer.pgoff % 5 != 0; });
    EXPECT_TRUE(block_faults(answers, 16).empty());
    answers.back().result.pfn++;
    EXPECT_FALSE(block_faults(answers, 16).empty());
}

/* Every single change of a PFN, an error or an attribute in a right block is found. */
TEST(BlockLaw, EveryChangeOfOnePage) {
    for (std::uint64_t page = 0; page < 16; page++) {
        std::vector<Answer> answers = one_block();

        answers[page].result.pfn += 16;
        EXPECT_EQ(faulty_pages(answers, 16), from_to(0, 15)) << page;
        answers = one_block();
        answers[page].result = {TESTEXP_UNTOUCHED_PFN, TESTEXP_UNTOUCHED_ORDER, -ENXIO};
        EXPECT_EQ(faulty_pages(answers, 16).size(), 15) << page;
        answers = one_block();
        answers[page].attributes->cache = TESTEXP_CACHE_UC;
        EXPECT_EQ(faulty_pages(answers, 16), from_to(0, 15)) << page;
    }
}

TEST(Slack, TheExactOrderHasNone) {
    EXPECT_TRUE(slack_of(one_block()).empty());
}

TEST(Slack, CountsPagesByOrders) {
    std::vector<Answer> answers;

    append(answers, 8, 0x1000, 0);
    append(answers, 3, 0x2008, 0);
    EXPECT_EQ(slack_of(answers), (Slack{{{0, 3}, {8, 0}}, {{0, 1}, {2, 8}}}));
    EXPECT_EQ(slack_text(slack_of(answers)),
              (std::vector<std::string>{
                  "2 pages report max_order 0, and 1 would be right; first: page 8",
                  "8 pages report max_order 0, and 3 would be right; first: page 0"}));
}

TEST(Slack, APageThatNobodyAskedProvesNothing) {
    std::vector<Answer> answers;

    append(answers, 4, 0x1000, 0);
    answers.erase(answers.begin() + 1);
    EXPECT_EQ(slack_of(answers), (Slack{{{0, 1}, {2, 2}}}));
}

constexpr std::uint64_t first_pfn = std::uint64_t{1} << 20;

/* The page that is asked of a block of order 17. */
constexpr std::uint64_t page_of_block(std::uint64_t block) {
    return 5 + (block << 17);
}

/* One page of each block of a buffer of 4 GiB whose orders end at @order. */
std::vector<Answer> one_page_of_each_block(int order) {
    std::vector<Answer> answers;

    for (std::uint64_t pgoff = page_of_block(0); pgoff < first_pfn;
         pgoff += std::uint64_t{1} << order)
        answers.push_back({.pgoff = pgoff,
                           .result = {.pfn = first_pfn + pgoff, .max_order = order, .error = 0},
                           .attributes = Attributes{}});
    return answers;
}

TEST(Slack, BlocksThatContinueEachOtherProveALargerBlock) {
    EXPECT_EQ(slack_of(one_page_of_each_block(17)), (Slack{{{17, 20}, {8, page_of_block(0)}}}));
    EXPECT_EQ(slack_of(one_page_of_each_block(18)), (Slack{{{18, 20}, {4, page_of_block(0)}}}));
    EXPECT_TRUE(slack_of(one_page_of_each_block(20)).empty());
}

/* Blocks 2 and 3 still prove a block, and blocks 4 to 7 prove a larger one. */
const Slack two_and_four_blocks = {{{17, 18}, {2, page_of_block(2)}},
                                   {{17, 19}, {4, page_of_block(4)}}};

TEST(Slack, ABlockThatNobodyAskedProvesNothing) {
    std::vector<Answer> answers = one_page_of_each_block(17);

    answers.erase(answers.begin() + 1);
    EXPECT_EQ(slack_of(answers), two_and_four_blocks);
}

TEST(Slack, ABlockOfAnotherKindProvesNothing) {
    std::vector<Answer> answers = one_page_of_each_block(17);

    answers[1].attributes->cache = TESTEXP_CACHE_UC;
    EXPECT_EQ(slack_of(answers), two_and_four_blocks);
    answers = one_page_of_each_block(17);
    answers[1].result.pfn += first_pfn;
    EXPECT_EQ(slack_of(answers), two_and_four_blocks);
}

/* Each block is aligned in memory, but no pair of blocks is. */
TEST(Slack, BlocksAtAnOddPlaceInMemoryProveNothing) {
    std::vector<Answer> answers = one_page_of_each_block(17);

    for (Answer& answer : answers)
        answer.result.pfn += std::uint64_t{1} << 17;
    EXPECT_TRUE(slack_of(answers).empty());
}

/* Nobody asked for page 6, which is in the block that page 7 reports. */
TEST(Slack, TheBlockOfAnotherPageProvesALargerOrder) {
    std::vector<Answer> answers;

    append(answers, 8, 0x1000, 3);
    answers[5].result.max_order = 0;
    answers.erase(answers.begin(), answers.begin() + 5);
    answers.erase(answers.begin() + 1);
    EXPECT_EQ(slack_of(answers), (Slack{{{0, 3}, {1, 5}}}));
}

TEST(PagesToAsk, AllPagesUpToTheLimit) {
    EXPECT_EQ(pages_to_ask(1000, 1000, 1), (std::vector<Window>{{0, 1000}}));
    EXPECT_EQ(pages_to_ask(1, 16, 1), (std::vector<Window>{{0, 1}}));
}

bool asks(const std::vector<Window>& windows, std::uint64_t page) {
    return std::ranges::any_of(windows, [=](const Window& window) {
        return page >= window.first && page - window.first < window.count;
    });
}

TEST(PagesToAsk, ALargeBufferIsAskedAtItsEndsAndBorders) {
    for (const std::uint64_t nr_pages :
         {std::uint64_t{1001}, std::uint64_t{1} << 22, (std::uint64_t{1} << 30) + 12345}) {
        const std::vector<Window> windows = pages_to_ask(nr_pages, 1000, 7);

        EXPECT_LE(count_pages(windows), 1000);
        EXPECT_GE(count_pages(windows), 500);
        for (const std::uint64_t page :
             {std::uint64_t{0}, std::uint64_t{249}, nr_pages - 1, nr_pages - 250})
            EXPECT_TRUE(asks(windows, page)) << page;
        if (nr_pages == 1001) {
            EXPECT_TRUE(asks(windows, 511) && asks(windows, 512));
        }
        for (std::size_t i = 1; i < windows.size(); i++)
            EXPECT_GT(windows[i].first, windows[i - 1].first + windows[i - 1].count);
        EXPECT_LE(windows.back().first + windows.back().count, nr_pages);
    }
}

TEST(PagesToAsk, BordersOfLargeBlocksComeFirst) {
    const std::uint64_t nr_pages = std::uint64_t{1} << 22;
    const std::vector<Window> windows = pages_to_ask(nr_pages, 4096, 7);

    for (const std::uint64_t border : {nr_pages / 2, nr_pages / 4, 3 * nr_pages / 4}) {
        EXPECT_TRUE(asks(windows, border - 1)) << border;
        EXPECT_TRUE(asks(windows, border)) << border;
    }
}

TEST(PagesToAsk, TheSeedDecides) {
    EXPECT_EQ(pages_to_ask(1 << 20, 5000, 3), pages_to_ask(1 << 20, 5000, 3));
    EXPECT_NE(pages_to_ask(1 << 20, 9000, 3), pages_to_ask(1 << 20, 9000, 4));
}

TEST(PagesOfBlocks, FirstMiddleLastAndNeighbours) {
    const std::uint64_t first = 1 << 12, length = 1 << 10;
    const Answer answer{.pgoff = first + 77,
                        .result = {.pfn = first + 77, .max_order = 10, .error = 0},
                        .attributes = {}};
    const std::vector<Window> windows = pages_of_blocks({&answer, 1}, 1 << 20, 1000, 1);

    for (const std::uint64_t page :
         {first - 1, first, first + length / 2, first + length - 1, first + length})
        EXPECT_TRUE(asks(windows, page)) << page;
}

TEST(PagesOfBlocks, NothingForErrorsAndNonsense) {
    std::vector<Answer> answers;

    append_hole(answers);
    append(answers, 1, 0x10, 0);
    append(answers, 1, 0x11, 64);
    append(answers, 1, 0x12, -1);
    EXPECT_TRUE(pages_of_blocks(answers, 1 << 20, 1000, 1).empty());
}

TEST(Windows, AreSortedAndJoined) {
    EXPECT_EQ(joined({{10, 5}, {0, 3}, {3, 2}, {12, 10}, {40, 0}}),
              (std::vector<Window>{{0, 5}, {10, 12}}));
}

TEST(Words, AreSplitAtTheSeparator) {
    EXPECT_EQ(split("a,b:c,d"), (std::vector<std::string>{"a", "b:c", "d"}));
    for (const char* bad : {"", ",", "a,", ",a", "a,,b"})
        EXPECT_THROW((void)split(bad), std::runtime_error) << bad;
}

TEST(Words, AreNumbers) {
    EXPECT_EQ(number_of("17", "x"), 17);
    EXPECT_EQ(number_of("0x1f", "x"), 31);
    for (const char* bad : {"", "0x", "-1", "1k", " 1", "1 ", "18446744073709551616"})
        EXPECT_THROW((void)number_of(bad, "x"), std::runtime_error) << bad;
}

TEST(LayoutText, HasExtentsAndFlags) {
    const testexp::CreateSpec spec =
        layout_of("ram:512@9x4,hole:1,mmio:3@8,wc:2@11,private:1,alias:2@5,dynamic,scatter");

    EXPECT_EQ(spec.flags, TESTEXP_CREATE_DYNAMIC | TESTEXP_CREATE_SCATTER);
    EXPECT_EQ(spec.layout.code(), testexp::Layout{}
                                      .ram(512, {.align_order = 9, .skew = 0, .repeat = 4})
                                      .hole(1)
                                      .mmio(8, 3)
                                      .mmio(11, 2, {.cache = TESTEXP_CACHE_WC})
                                      .priv(1)
                                      .alias(5, 2)
                                      .code());
}

TEST(LayoutText, HexadecimalNumbersAreNoRepeats) {
    EXPECT_EQ(layout_of("synthetic:4@0x1000").layout.code(),
              testexp::Layout{}.synthetic(0x1000, 4).code());
}

TEST(LayoutText, WrongWordsAreRefused) {
    for (const char* bad : {"", "ram", "ram:", "ram:x", "ram:4@", "rom:4", "dynamic", "ram:4,,"})
        EXPECT_THROW((void)layout_of(bad), std::runtime_error) << bad;
}

TEST(Iomem, NamesTheRangesOfAnAddress) {
    std::istringstream file("00001000-0009fbff : System RAM\n"
                            "  00002000-00002fff : Kernel code\n"
                            "fe000000-fe00ffff : PCI Bus 0000:00\n"
                            "  fe000000-fe000fff : 0000:00:10.0\n"
                            "100000000-1ffffffff : System RAM\n");
    const Iomem iomem = Iomem::parse(file);

    EXPECT_EQ(iomem.name_of(0x1000), "System RAM");
    EXPECT_EQ(iomem.name_of(0x2fff), "System RAM / Kernel code");
    EXPECT_TRUE(Iomem::is_kernel(iomem.name_of(0x2000)));
    EXPECT_EQ(iomem.name_of(0xfe000000), "PCI Bus 0000:00 / 0000:00:10.0");
    EXPECT_FALSE(Iomem::is_memory(iomem.name_of(0xfe000000)));
    EXPECT_TRUE(Iomem::is_memory(iomem.name_of(0x1ffffffff)));
    EXPECT_EQ(iomem.name_of(0x200000000), "");
    EXPECT_FALSE(Iomem::is_memory(""));
}

/* --- entries of the page table -------------------------------------------------- */

testexp_result answer_of(std::uint64_t pfn, int error = 0) {
    return {.pfn = pfn, .max_order = 0, .error = error};
}

testexp_walked entry_of(std::uint64_t pfn, int error = 0) {
    return {.pfn = pfn, .cache = 0, .error = error};
}

TEST(PageEntry, TheSamePfnIsRight) {
    EXPECT_FALSE(entry_fault(answer_of(0x1234), entry_of(0x1234)));
}

TEST(PageEntry, AnotherPfnIsAFault) {
    const auto fault = entry_fault(answer_of(0x1234), entry_of(0x1235));

    ASSERT_TRUE(fault);
    EXPECT_EQ(*fault, "the page table has PFN 0x1235, and get_pfn says 0x1234");
}

/* With an error, the PFNs mean nothing, so they may be equal. */
TEST(PageEntry, AnErrorOfEitherSideIsAFault) {
    EXPECT_TRUE(entry_fault(answer_of(0, -ENODEV), entry_of(0)));
    EXPECT_TRUE(entry_fault(answer_of(0), entry_of(0, -EFAULT)));
    EXPECT_TRUE(entry_fault(answer_of(0, -ENODEV), entry_of(0, -EFAULT)));
}

/* --- reasons to skip ----------------------------------------------------------- */

TEST(Offer, OnlyAMissingCallbackOrARefusalIsAReasonToSkip) {
    for (const int code : {EINVAL, EOPNOTSUPP, ENODEV})
        EXPECT_TRUE(is_not_offered(code)) << code;
    for (const int code : {0, ENOMEM, EINTR, EFAULT, EPERM, EIO, ENOSPC, EBUSY, EAGAIN})
        EXPECT_FALSE(is_not_offered(code)) << code;
}

/* --- the table of importers --------------------------------------------------- */

constexpr std::uint32_t since_7_1 = TESTEXP_FEAT_NO_NOTIFY | TESTEXP_FEAT_MOVE_NOTIFY;

const ImporterKind& kind_of(const std::string& name) {
    return *std::ranges::find_if(importer_kinds(),
                                 [&](const ImporterKind& kind) { return name == kind.name; });
}

/* attach and get_pfn as "0/0" */
std::string outcome(const std::string& kind, const ExporterTraits& exporter,
                    std::uint32_t features = since_7_1) {
    const Outcome expected = expected_outcome(kind_of(kind), exporter, features);

    return std::to_string(expected.attach) + "/" + std::to_string(expected.get_pfn);
}

TEST(Importers, AFixedExporterServesEachKind) {
    for (const ImporterKind& kind : importer_kinds())
        EXPECT_EQ(outcome(kind.name, {.has_get_pfn = true, .needs_p2p = false, .kind = {}}), "0/0")
            << kind.name;
}

TEST(Importers, ARevocableExporterRefusesKindsWithoutCallback) {
    const ExporterTraits vfio{.has_get_pfn = true, .needs_p2p = true, .kind = {.revocable = true}};

    EXPECT_EQ(outcome("dynamic", vfio), "0/0");
    EXPECT_EQ(outcome("pinned,device=no", vfio), "0/0");
    for (const char* kind : {"static", "no_callback", "pinned,no_callback", "no_p2p"})
        EXPECT_EQ(outcome(kind, vfio), "95/0") << kind;
}

TEST(Importers, AMovableExporterWantsAPinOrACallback) {
    const ExporterTraits movable{
        .has_get_pfn = true, .needs_p2p = false, .kind = {.movable = true}};

    for (const char* kind : {"dynamic", "pinned", "pinned,no_callback", "no_p2p,device=no"})
        EXPECT_EQ(outcome(kind, movable), "0/0") << kind;
    for (const char* kind : {"static", "static,device=no", "no_callback"})
        EXPECT_EQ(outcome(kind, movable), "0/2") << kind;
    EXPECT_EQ(outcome("static", movable, TESTEXP_FEAT_MOVE_NOTIFY), "0/0");
    EXPECT_EQ(outcome("dynamic", movable, 0), "0/2");
}

TEST(Importers, WithoutGetPfnOnlyImportersWithADeviceAttach) {
    EXPECT_EQ(outcome("dynamic", {}), "0/22");
    EXPECT_EQ(outcome("dynamic,device=no", {}), "22/0");
}

std::string refusal_of(const testexp::Error& error) {
    try {
        return value_for("heap", testexp::Result<std::string>(error));
    } catch (const std::runtime_error& refusal) {
        return refusal.what();
    }
}

TEST(Source, ALackAndAFailureAreToldApart) {
    EXPECT_EQ(refusal_of({EOPNOTSUPP, "64 MiB of free memory"}),
              "--heap needs 64 MiB of free memory");
    EXPECT_EQ(refusal_of({EINVAL, "'x' is not NAME,SIZE"}), "--heap: 'x' is not NAME,SIZE");
    EXPECT_EQ(value_for("heap", testexp::Result<int>(3)), 3);
}

} // namespace
