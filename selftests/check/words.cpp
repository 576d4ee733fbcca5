// SPDX-License-Identifier: GPL-2.0
#include "words.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <stdexcept>

#include "layout.hpp"

namespace check {

namespace {

[[noreturn]] void refuse(const std::string& text) {
    throw std::runtime_error(text);
}

/* How far the suffix of a size shifts its number; nothing stands for bytes. */
unsigned int shift_of(char suffix) {
    switch (suffix) {
    case 'K':
        return 10;
    case 'M':
        return 20;
    case 'G':
        return 30;
    default:
        return 0;
    }
}

} // namespace

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::size_t begin = 0;

    while (true) {
        const std::size_t end = std::min(text.find(separator, begin), text.size());

        if (end == begin)
            refuse("'" + text + "' has an empty part");
        parts.push_back(text.substr(begin, end - begin));
        if (end == text.size())
            return parts;
        begin = end + 1;
    }
}

std::uint64_t number_of(std::string_view text, const char* what) {
    const bool is_hex = text.starts_with("0x");
    const std::string_view digits = is_hex ? text.substr(2) : text;
    std::uint64_t number = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number, is_hex ? 16 : 10);

    if (error != std::errc{} || end != digits.data() + digits.size())
        refuse("'" + std::string(text) + "' is no number for: " + what);
    return number;
}

std::uint64_t pages_of(std::string_view text) {
    const unsigned int shift = text.empty() ? 0 : shift_of(text.back());
    const std::string quoted = "the size '" + std::string(text) + "'";
    const std::uint64_t number =
        number_of(shift ? text.substr(0, text.size() - 1) : text, "a size like 64K, 2M or 1G");

    if (number > std::uint64_t{INT64_MAX} >> shift)
        refuse(quoted + " is too large");

    const std::uint64_t bytes = number << shift;

    if (bytes == 0 || bytes % testexp::page_bytes() != 0)
        refuse(quoted + " must be a multiple of the page size, " +
               std::to_string(testexp::page_bytes()) + " bytes, and not 0");
    return bytes / testexp::page_bytes();
}

std::string size_text(std::uint64_t nr_pages) {
    const std::uint64_t bytes = nr_pages * testexp::page_bytes();

    for (const char suffix : {'G', 'M', 'K'})
        if (bytes % (std::uint64_t{1} << shift_of(suffix)) == 0)
            return std::to_string(bytes >> shift_of(suffix)) + suffix;
    return std::to_string(bytes);
}

} // namespace check
