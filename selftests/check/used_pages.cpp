// SPDX-License-Identifier: GPL-2.0
#include "used_pages.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "layout.hpp"

namespace check {

namespace {

/* The number in the lines that begin with this word, added up. */
std::uint64_t sum_of(std::istream& lines, const std::string& word) {
    std::uint64_t sum = 0;

    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string first;
        std::uint64_t number = 0;

        if (words >> first >> number && first == word)
            sum += number;
    }
    return sum;
}

} // namespace

std::uint64_t parse_used_pages(std::istream& meminfo, std::istream& zoneinfo) {
    std::stringstream text;

    text << meminfo.rdbuf();

    const std::uint64_t total_kib = sum_of(text, "MemTotal:");

    text.clear();
    text.seekg(0);

    const std::uint64_t available_kib = sum_of(text, "MemAvailable:");
    const std::uint64_t of_processors = sum_of(zoneinfo, "count:");

    if (available_kib == 0)
        throw std::runtime_error("/proc/meminfo has no MemAvailable");
    return (total_kib - available_kib) * 1024 / testexp::page_bytes() - of_processors;
}

std::uint64_t read_used_pages() {
    std::ifstream meminfo("/proc/meminfo");
    std::ifstream zoneinfo("/proc/zoneinfo");

    return parse_used_pages(meminfo, zoneinfo);
}

} // namespace check
