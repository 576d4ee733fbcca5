// SPDX-License-Identifier: GPL-2.0
#include "words.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace check {

namespace {

[[noreturn]] void refuse(const std::string& text) {
    throw std::runtime_error(text);
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

} // namespace check
