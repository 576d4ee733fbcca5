// SPDX-License-Identifier: GPL-2.0
#include "answers.hpp"

#include <algorithm>
#include <random>
#include <sstream>

namespace check {

namespace {

/* Blocks that are asked as a whole at random places. */
constexpr unsigned int random_block_order = 9;

/* Pages on each side of a border that are asked. */
constexpr std::uint64_t beside_border = 2;

class Chooser {
public:
    Chooser(std::uint64_t nr_pages, std::uint64_t limit) : nr_pages_(nr_pages), limit_(limit) {}

    bool is_full() const { return asked_ >= limit_; }

    /* Adds the part of the window that is inside the buffer. */
    void add(std::uint64_t first, std::uint64_t count) {
        if (first >= nr_pages_ || is_full())
            return;
        count = std::min({count, nr_pages_ - first, limit_ - asked_});
        windows_.push_back({first, count});
        asked_ += count;
    }

    /* Adds the pages on both sides of the border before page @border. */
    void add_border(std::uint64_t border) {
        const std::uint64_t first = border - std::min(border, beside_border);

        add(first, border - first + beside_border);
    }

    std::vector<Window> windows() && { return joined(std::move(windows_)); }

private:
    std::uint64_t nr_pages_;
    std::uint64_t limit_;
    std::uint64_t asked_ = 0;
    std::vector<Window> windows_;
};

/* Borders of aligned blocks of each order, at most 64 borders of an order. */
void add_borders(Chooser& chooser, std::uint64_t nr_pages) {
    constexpr std::uint64_t of_each_order = 64;
    std::uint64_t step = std::uint64_t{1} << 51;

    for (; step > 1 && !chooser.is_full(); step /= 2) {
        const std::uint64_t borders = nr_pages / step;
        const std::uint64_t skip = borders / of_each_order + 1;

        for (std::uint64_t i = 1; i <= borders; i += skip)
            chooser.add_border(i * step);
    }
}

} // namespace

std::vector<Window> joined(std::vector<Window> windows) {
    std::vector<Window> result;

    std::ranges::sort(windows, {}, &Window::first);
    for (const Window& window : windows) {
        if (window.count == 0)
            continue;
        if (!result.empty() && window.first <= result.back().first + result.back().count) {
            const std::uint64_t end =
                std::max(result.back().first + result.back().count, window.first + window.count);

            result.back().count = end - result.back().first;
        } else {
            result.push_back(window);
        }
    }
    return result;
}

std::uint64_t count_pages(std::span<const Window> windows) {
    std::uint64_t count = 0;

    for (const Window& window : windows)
        count += window.count;
    return count;
}

std::vector<Window> pages_to_ask(std::uint64_t nr_pages, std::uint64_t limit, std::uint64_t seed) {
    if (nr_pages <= limit)
        return {{0, nr_pages}};

    constexpr std::uint64_t block = std::uint64_t{1} << random_block_order;
    std::mt19937_64 random(seed);
    Chooser chooser(nr_pages, limit);

    chooser.add(0, limit / 4);
    chooser.add(nr_pages - limit / 4, limit / 4);
    add_borders(chooser, nr_pages);
    while (!chooser.is_full())
        chooser.add(random() % nr_pages / block * block, block);
    return std::move(chooser).windows();
}

std::vector<Window> pages_of_blocks(std::span<const Answer> answers, std::uint64_t nr_pages,
                                    std::uint64_t limit, std::uint64_t seed) {
    constexpr int random_pages = 4;
    std::mt19937_64 random(seed);
    Chooser chooser(nr_pages, limit);
    std::uint64_t asked_until = 0; /* the blocks before this page have been looked at */

    for (std::size_t i = 0; i < answers.size(); i++) {
        const int order = answers[i].result.max_order;

        if (!answers[i].has_pfn() || order <= 0 || order > 51 || answers[i].pgoff < asked_until)
            continue;

        const std::uint64_t length = std::uint64_t{1} << order;
        const std::uint64_t first = answers[i].pgoff & ~(length - 1);

        asked_until = first + length;
        chooser.add_border(first);
        chooser.add_border(first + length);
        chooser.add(first + length / 2, 1);
        for (int n = 0; n < random_pages; n++)
            chooser.add(first + random() % length, 1);
    }
    return std::move(chooser).windows();
}

std::string page(std::uint64_t pgoff) {
    return "page " + std::to_string(pgoff);
}

std::string hex(std::uint64_t value) {
    std::ostringstream out;

    out << "0x" << std::hex << value;
    return out.str();
}

} // namespace check
