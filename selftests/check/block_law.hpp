/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Section 2 of the contract, judged from the answers alone: the block of 2^max_order pages round
 * each page lies inside the buffer, is aligned, is physically contiguous, has a PFN for each page,
 * and has one type and one cache mode.
 */
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "answers.hpp"

namespace check {

/* A page that breaks the law, and how. */
struct Fault {
    std::uint64_t pgoff = 0;
    std::string text;
};

/*
 * The faults of the answers, at most one for each page. @answers are in ascending order of pgoff.
 * Pages that are not among the answers are not judged.
 */
std::vector<Fault> block_faults(std::span<const Answer> answers, std::uint64_t nr_pages);

/* Pages whose max_order could have been larger. @first: the pgoff of the first of these pages. */
struct SlackPages {
    std::uint64_t count = 0;
    std::uint64_t first = 0;

    bool operator==(const SlackPages&) const = default;
};

/* {reported max_order, largest order that the answers prove}: the pages */
using Slack = std::map<std::pair<int, int>, SlackPages>;

/*
 * Counts the pages whose max_order could have been larger. A reported block counts as a whole, so
 * two blocks that continue each other prove a larger block, even where not every page was asked.
 * @answers have no fault, because a wrong block proves nothing.
 */
Slack slack_of(std::span<const Answer> answers);

/* One line for each entry: "512 pages report max_order 0, and 9 would be right; first: page 0". */
std::vector<std::string> slack_text(const Slack& slack);

} // namespace check
