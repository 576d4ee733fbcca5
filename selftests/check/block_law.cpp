// SPDX-License-Identifier: GPL-2.0
#include "block_law.hpp"

#include <algorithm>
#include <optional>

namespace check {

namespace {

/* A block of this order would be larger than any address. */
constexpr int too_large_order = 52;

/* Whether both pages may be in one block: contiguous, of one type and one cache mode. */
bool fit_together(const Answer& first, const Answer& second) {
    return first.has_pfn() && second.has_pfn() && first.attributes == second.attributes &&
           second.result.pfn - first.result.pfn == second.pgoff - first.pgoff;
}

std::string misfit(const Answer& page, const Answer& other) {
    const std::string where = "page " + std::to_string(other.pgoff) + " of its block ";

    if (!other.has_pfn())
        return where + "has no PFN: error " + std::to_string(other.result.error);
    if (other.result.pfn - page.result.pfn != other.pgoff - page.pgoff)
        return where + "has PFN " + hex(other.result.pfn) + ", which is not contiguous";
    return where + "has another type or cache mode";
}

/* A maximal run of answers that fit together: indices of its first and of its last answer. */
struct Run {
    std::size_t first;
    std::size_t last;
};

/* The run of each answer. */
std::vector<Run> runs_of(std::span<const Answer> answers) {
    std::vector<Run> runs(answers.size());

    for (std::size_t begin = 0, end; begin < answers.size(); begin = end) {
        for (end = begin + 1; end < answers.size(); end++)
            if (!fit_together(answers[end - 1], answers[end]))
                break;
        std::fill(runs.begin() + static_cast<std::ptrdiff_t>(begin),
                  runs.begin() + static_cast<std::ptrdiff_t>(end), Run{begin, end - 1});
    }
    return runs;
}

/* The index of the first answer for @pgoff or for a later page. */
std::size_t index_of(std::span<const Answer> answers, std::uint64_t pgoff) {
    const auto found = std::ranges::lower_bound(answers, pgoff, {}, &Answer::pgoff);

    return static_cast<std::size_t>(found - answers.begin());
}

/* The fault of the block of @answers[@index]. @run: the answers that fit together with it. */
std::optional<std::string> fault_of(std::span<const Answer> answers, std::size_t index,
                                    const Run& run, std::uint64_t nr_pages) {
    const Answer& page = answers[index];
    const int order = page.result.max_order;

    if (order < 0 || order >= too_large_order)
        return "max_order " + std::to_string(order) + " is no order";

    const std::uint64_t length = std::uint64_t{1} << order;
    const std::uint64_t first = page.pgoff & ~(length - 1);
    const std::string block = "max_order " + std::to_string(order) +
                              ", so its block is the pages " + std::to_string(first) + " to " +
                              std::to_string(first + length - 1);

    if (nr_pages - first < length)
        return block + ", but the buffer ends at " + std::to_string(nr_pages);
    if ((page.result.pfn ^ page.pgoff) & (length - 1))
        return block + ", but PFN " + hex(page.result.pfn) + " and pgoff " + hex(page.pgoff) +
               " differ modulo 2^" + std::to_string(order);

    if (run.first > index_of(answers, first))
        return block + ", but " + misfit(page, answers[run.first - 1]);
    if (run.last + 1 < index_of(answers, first + length))
        return block + ", but " + misfit(page, answers[run.last + 1]);
    return std::nullopt;
}

/* The pages that the answer tells about: its block. */
Window block_of(const Answer& page) {
    const std::uint64_t length = page.has_pfn() ? std::uint64_t{1} << page.result.max_order : 1;

    return {page.pgoff & ~(length - 1), length};
}

/*
 * For each answer, the pages round it that are known to fit together. They end where a page is
 * neither asked for nor in a block that an answer reports.
 */
std::vector<Window> known_pages_of(std::span<const Answer> answers) {
    std::vector<Window> known(answers.size());

    for (std::size_t begin = 0, end; begin < answers.size(); begin = end) {
        Window pages = block_of(answers[begin]);

        for (end = begin + 1; end < answers.size(); end++) {
            const Window block = block_of(answers[end]);

            if (!fit_together(answers[end - 1], answers[end]) ||
                block.first > pages.first + pages.count)
                break;

            const std::uint64_t last =
                std::max(pages.first + pages.count, block.first + block.count);

            pages.first = std::min(pages.first, block.first);
            pages.count = last - pages.first;
        }
        std::fill(known.begin() + static_cast<std::ptrdiff_t>(begin),
                  known.begin() + static_cast<std::ptrdiff_t>(end), pages);
    }
    return known;
}

/* The largest order that the pages round it prove for a page. */
int proven_order(const Answer& page, const Window& known) {
    int order = 0;

    while (order + 1 < too_large_order) {
        const std::uint64_t length = std::uint64_t{2} << order;
        const std::uint64_t begin = page.pgoff & ~(length - 1);

        if (begin < known.first || known.first + known.count - begin < length ||
            ((page.result.pfn ^ page.pgoff) & (length - 1)))
            break;
        order++;
    }
    return order;
}

} // namespace

std::vector<Fault> block_faults(std::span<const Answer> answers, std::uint64_t nr_pages) {
    const std::vector<Run> runs = runs_of(answers);
    std::vector<Fault> faults;

    for (std::size_t i = 0; i < answers.size(); i++) {
        if (!answers[i].has_pfn())
            continue;
        if (auto text = fault_of(answers, i, runs[i], nr_pages))
            faults.push_back({answers[i].pgoff, *std::move(text)});
    }
    return faults;
}

Slack slack_of(std::span<const Answer> answers) {
    const std::vector<Window> known = known_pages_of(answers);
    Slack slack;

    for (std::size_t i = 0; i < answers.size(); i++) {
        if (!answers[i].has_pfn())
            continue;

        const int proven = proven_order(answers[i], known[i]);

        if (answers[i].result.max_order < proven)
            slack
                .try_emplace({answers[i].result.max_order, proven},
                             SlackPages{.count = 0, .first = answers[i].pgoff})
                .first->second.count++;
    }
    return slack;
}

std::vector<std::string> slack_text(const Slack& slack) {
    std::vector<std::string> lines;

    for (const auto& [orders, pages] : slack)
        lines.push_back(std::to_string(pages.count) + " pages report max_order " +
                        std::to_string(orders.first) + ", and " + std::to_string(orders.second) +
                        " would be right; first: page " + std::to_string(pages.first));
    return lines;
}

} // namespace check
