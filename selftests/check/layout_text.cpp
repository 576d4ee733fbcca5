// SPDX-License-Identifier: GPL-2.0
#include "layout_text.hpp"

#include <algorithm>
#include <utility>

#include "words.hpp"

namespace check {

namespace {

constexpr std::pair<const char*, std::uint32_t> flags[] = {
    {"dynamic", TESTEXP_CREATE_DYNAMIC},   {"revocable", TESTEXP_CREATE_REVOCABLE},
    {"scatter", TESTEXP_CREATE_SCATTER},   {"cache_sgt", TESTEXP_CREATE_CACHE_SGT},
    {"huge", TESTEXP_CREATE_HUGE},         {"no_map", TESTEXP_CREATE_NO_MAP},
    {"no_mmap", TESTEXP_CREATE_NO_MMAP},   {"no_get_pfn", TESTEXP_CREATE_NO_GET_PFN},
    {"no_attrs", TESTEXP_CREATE_NO_ATTRS},
};

/* "ram:512@9x4" in its parts. */
struct Word {
    std::string type;
    std::uint64_t nr_pages = 0;
    std::uint64_t at = 0;
    std::uint64_t times = 1;
};

/* Takes the number behind @mark off the end of the text. */
std::uint64_t take_number(std::string& text, char mark, std::uint64_t otherwise) {
    const std::size_t at = text.rfind(mark);

    /* The x of 0x10 is no mark. */
    if (at == std::string::npos || (mark == 'x' && at > 0 && text[at - 1] == '0'))
        return otherwise;

    const std::uint64_t number = number_of(text.substr(at + 1), "an extent of --testexp");

    text.resize(at);
    return number;
}

Word word_of(const std::string& text) {
    const std::size_t colon = text.find(':');
    std::string numbers = colon == std::string::npos ? "" : text.substr(colon + 1);
    Word word{.type = text.substr(0, colon)};

    word.times = take_number(numbers, 'x', 1);
    word.at = take_number(numbers, '@', 0);
    word.nr_pages = number_of(numbers, "the pages of an extent of --testexp, as in ram:4");
    return word;
}

void add_extent(testexp::Layout& layout, const Word& word) {
    const testexp::Kind uncached{.repeat = word.times};
    const testexp::Kind combined{.cache = TESTEXP_CACHE_WC, .repeat = word.times};

    if (word.type == "ram")
        layout.ram(
            word.nr_pages,
            {.align_order = static_cast<std::uint32_t>(word.at), .skew = 0, .repeat = word.times});
    else if (word.type == "hole")
        layout.hole(word.nr_pages);
    else if (word.type == "private")
        layout.priv(word.nr_pages);
    else if (word.type == "mmio")
        layout.mmio(word.at, word.nr_pages, uncached);
    else if (word.type == "wc")
        layout.mmio(word.at, word.nr_pages, combined);
    else if (word.type == "synthetic")
        layout.synthetic(word.at, word.nr_pages, {.cache = TESTEXP_CACHE_WB, .repeat = word.times});
    else if (word.type == "alias")
        layout.alias(word.at, word.nr_pages);
    else
        throw std::runtime_error("--testexp: there is no extent or flag '" + word.type + "'");
}

} // namespace

testexp::CreateSpec layout_of(const std::string& text) {
    testexp::CreateSpec spec;

    for (const std::string& word : split(text)) {
        const auto* flag =
            std::ranges::find(flags, word, [](const auto& row) { return std::string(row.first); });

        if (flag != std::end(flags))
            spec.flags |= flag->second;
        else if (word.find(':') == std::string::npos)
            throw std::runtime_error("--testexp: there is no extent or flag '" + word +
                                     "'; an extent is TYPE:PAGES, as in ram:4");
        else
            add_extent(spec.layout, word_of(word));
    }
    if (spec.layout.extents.empty())
        throw std::runtime_error("--testexp: the layout has no extent, as in ram:4");
    return spec;
}

} // namespace check
