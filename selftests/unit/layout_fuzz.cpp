// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the fuzzer's bytes as a layout, four bytes for each extent. layout.c must build the layout
 * as it promises, and must answer like the oracle: for every page, or round every border of a large
 * layout. A layout with a wrong answer is made small and printed as a test case, and the process
 * aborts, as libFuzzer expects.
 *
 * libFuzzer (layout_fuzz, with clang) and layout_replay.cpp both call this.
 */
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>

#include "agreement.hpp"
#include "append_check.hpp"
#include "native_layout.hpp"
#include "shrink.hpp"

namespace {

using testexp::Kind;
using testexp::Layout;

/*
 * So many extents that one input takes some milliseconds, and as many pages as a dma-buf can have.
 */
constexpr std::size_t max_extents = 24;
constexpr std::uint64_t max_pages = std::uint64_t{1} << 50;
constexpr std::uint64_t all_pfns = std::uint64_t{1} << TESTEXP_PFN_BITS;

/* Four bytes: type, length and place of an extent. */
struct Record {
    std::uint8_t what;
    std::uint8_t length;
    std::uint8_t place;
    std::uint8_t value;
};

/* A power of two or a neighbour of one, or any small number. */
std::uint64_t length_of(const Record& record) {
    const std::uint64_t power = std::uint64_t{1} << (record.length & 63) % 51;

    switch (record.length >> 6) {
    case 0:
        return 1 + record.length % 24;
    case 1:
        return power;
    case 2:
        return power + 1;
    default:
        return power > 1 ? power - 1 : power;
    }
}

/* A PFN that is unrelated to the other extents, or a PFN related to one of them. */
std::uint64_t pfn_of(const Record& record, const Layout& layout, std::uint64_t nr_pages) {
    const std::uint64_t block = std::uint64_t{1} << (record.place >> 3) * 3 % 44;
    const std::uint64_t pgoff = layout.nr_pages();

    if (layout.extents.empty() || record.place % 8 < 2)
        return record.value * block + (record.place % 8 == 0 ? pgoff % block : 0);

    const testexp_extent& last = layout.extents.back();
    const testexp_extent& any = layout.extents[record.value % layout.extents.size()];

    switch (record.place % 8) {
    case 2:
        return last.at + last.nr_pages; /* continues the last extent */
    case 3:
        /* Continues the last extent, or misses it by up to 2 pages. */
        return last.at + last.nr_pages + record.value % 5 - 2;
    case 4:
        return last.at; /* the same pages again */
    case 5:
        return last.at - nr_pages; /* in front of the last extent */
    case 6:
        return any.at + any.nr_pages;
    default:
        /* So that pfn - pgoff is the first PFN of another extent. */
        return any.at + pgoff;
    }
}

Kind kind_of(const Record& record) {
    return {.cache = static_cast<testexp_cache>((record.what >> 3) % TESTEXP_CACHE_MODES),
            .attributes = record.what & 0x80 ? TESTEXP_EXTENT_P2P : 0U};
}

void add_extent(Layout& layout, const Record& record) {
    const std::uint64_t nr_pages = length_of(record);

    switch (record.what % 8) {
    case 0:
        layout.hole(nr_pages);
        return;
    case 1:
        layout.priv(nr_pages);
        return;
    default: {
        const std::uint64_t pfn = pfn_of(record, layout, nr_pages) % all_pfns;

        layout.synthetic(std::min(pfn, all_pfns - nr_pages), nr_pages, kind_of(record));
    }
    }
}

Layout layout_of(const std::uint8_t* bytes, std::size_t size) {
    Layout layout;

    for (; size >= sizeof(Record) && layout.extents.size() < max_extents;
         bytes += sizeof(Record), size -= sizeof(Record)) {
        add_extent(layout, {bytes[0], bytes[1], bytes[2], bytes[3]});
        if (layout.nr_pages() > max_pages) {
            layout.extents.pop_back();
            break;
        }
    }
    return layout;
}

[[noreturn]] void fail(const std::string& check, const std::string& why) {
    std::cerr << why << "\nAs a test case, for layout_test.cpp:\n\nTEST(LayoutC, Found) {\n    "
              << check << ";\n}\n";
    std::abort();
}

void check_append(const Layout& layout) {
    if (wrong_append(layout).empty())
        return;

    const Layout small =
        testexp::shrink(layout, [](const Layout& each) { return !wrong_append(each).empty(); });

    fail("EXPECT_EQ(wrong_append(" + small.code() + "), \"\")", wrong_append(small));
}

void check_answers(const Layout& layout, const testexp::Lookup& lookup, const std::string& name) {
    const std::optional<testexp::Mismatch> wrong = testexp::first_mismatch(layout, lookup);

    if (!wrong)
        return;

    const testexp::Mismatch small = testexp::shrunk(*wrong, lookup);

    fail("expect_none(testexp::first_mismatch(" + small.layout.code() + ", " + name + "))",
         small.text());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    if (size == 0)
        return 0;

    const Layout layout = layout_of(bytes + 1, size - 1);

    check_append(layout);
    if (bytes[0] % 2)
        check_answers(layout, ask_layout_c_by_type, "ask_layout_c_by_type");
    else
        check_answers(layout, ask_layout_c, "ask_layout_c");
    return 0;
}
