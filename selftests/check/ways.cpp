// SPDX-License-Identifier: GPL-2.0
#include "ways.hpp"

namespace check {

namespace {

bool is_for_good(const Invalidation& how) {
    return !how.is_move && !how.give_back;
}

} // namespace

std::vector<const Invalidation*> ways_that_end(std::span<const Invalidation> ways) {
    std::vector<const Invalidation*> chosen;

    for (const Invalidation& how : ways)
        if (!is_for_good(how))
            chosen.push_back(&how);
    return chosen;
}

std::vector<const Invalidation*> way_for_good(std::span<const Invalidation> ways) {
    std::vector<const Invalidation*> chosen;

    for (const Invalidation& how : ways)
        if (is_for_good(how))
            chosen = {&how};
    return chosen;
}

} // namespace check
