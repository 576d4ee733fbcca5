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

std::vector<const Invalidation*> revokes_that_end(std::span<const Invalidation> ways) {
    std::vector<const Invalidation*> chosen = ways_that_end(ways);

    std::erase_if(chosen, [](const Invalidation* how) { return how->is_move; });
    return chosen;
}

std::optional<std::string> callbacks_fault(std::optional<std::uint64_t> promised,
                                           std::uint64_t is) {
    if (promised ? is == *promised : is > 0)
        return std::nullopt;
    return "the callback came " + std::to_string(is) + " times, must be " +
           (promised ? std::to_string(*promised) : "1 or more");
}

} // namespace check
