// SPDX-License-Identifier: GPL-2.0
#include "iommu_table.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>

#include "layout.hpp"

namespace testexp {

namespace {

/* Bits of a second-stage entry. */
constexpr std::uint64_t bit_read = 1U << 0;
constexpr std::uint64_t bit_write = 1U << 1;
constexpr std::uint64_t bit_snoop = 1U << 11;
constexpr std::uint64_t bits_of_pfn = 0x000f'ffff'ffff'f000;

constexpr int orders_of_a_level = 9;

/* Levels 5, 4 and 3 always have a column. */
constexpr std::size_t most_columns = 5;
constexpr std::size_t fewest_columns = 3;

Error unknown(std::string_view line) {
    return {EPROTO, "a line of the IOMMU's page table has an unknown form: " + std::string(line)};
}

/* Takes the next word off @text; words stand between blanks. "" at the end. */
std::string_view take_word(std::string_view& text) {
    const auto first = text.find_first_not_of(" \t");

    if (first == std::string_view::npos)
        return text = {};
    text.remove_prefix(first);

    const std::string_view word = text.substr(0, text.find_first_of(" \t"));

    text.remove_prefix(word.size());
    return word;
}

std::optional<std::uint64_t> parse_hex(std::string_view word) {
    std::uint64_t value = 0;

    if (!word.starts_with("0x"))
        return std::nullopt;
    word.remove_prefix(2);

    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, 16);

    if (error != std::errc() || end != word.data() + word.size())
        return std::nullopt;
    return value;
}

/*
 * A line such as "0x0000000000200 |\t0x0\t0x8f1003\t0x8f2003\t0x123400083": the IOVA in pages, and
 * the entries of the levels from 5 down to the leaf.
 */
std::optional<IommuLeaf> parse_line(std::string_view line) {
    const auto iova_pages = parse_hex(take_word(line));

    if (!iova_pages || take_word(line) != "|")
        return std::nullopt;

    std::uint64_t entry = 0;
    std::size_t columns = 0;

    for (std::string_view word; !(word = take_word(line)).empty(); columns++) {
        const auto value = parse_hex(word);

        if (!value)
            return std::nullopt;
        entry = *value;
    }
    if (columns < fewest_columns || columns > most_columns)
        return std::nullopt;
    return IommuLeaf{.iova = *iova_pages * page_bytes(),
                     .pfn = (entry & bits_of_pfn) / page_bytes(),
                     .order = static_cast<int>(most_columns - columns) * orders_of_a_level,
                     .readable = (entry & bit_read) != 0,
                     .writeable = (entry & bit_write) != 0,
                     .snooped = (entry & bit_snoop) != 0};
}

} // namespace

std::uint64_t IommuLeaf::bytes() const {
    return page_bytes() << order;
}

/* The text begins with the line of the device and the line of the columns' names. */
Result<std::vector<IommuLeaf>> parse_iommu_table(std::string_view text) {
    std::vector<IommuLeaf> leaves;

    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));

        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.starts_with("Device ") || line.starts_with("IOVA_PFN"))
            continue;

        const auto leaf = parse_line(line);

        if (!leaf)
            return unknown(line);
        leaves.push_back(*leaf);
    }
    return leaves;
}

Result<std::vector<IommuLeaf>> read_iommu_table(const std::string& device,
                                                const std::filesystem::path& debugfs) {
    const auto path = debugfs / "iommu/intel" / device / "domain_translation_struct";
    std::ifstream file(path);

    if (!file)
        return Error{EOPNOTSUPP, path.string() + ", which needs an Intel IOMMU and a kernel with "
                                                 "CONFIG_INTEL_IOMMU_DEBUGFS"};

    const std::string text{std::istreambuf_iterator<char>(file), {}};

    if (file.bad())
        return errno_error("read " + path.string());
    return parse_iommu_table(text);
}

std::string describe(const IommuLeaf& leaf) {
    char text[96];

    std::snprintf(text, sizeof(text), "0x%llx: PFN 0x%llx, order %d, %s%s",
                  static_cast<unsigned long long>(leaf.iova),
                  static_cast<unsigned long long>(leaf.pfn), leaf.order, leaf.readable ? "r" : "",
                  leaf.writeable ? "w" : "");
    return text;
}

} // namespace testexp
