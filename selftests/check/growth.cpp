// SPDX-License-Identifier: GPL-2.0
#include "growth.hpp"

namespace check {

void Growth::add_round(const Usage& before, const Usage& after, std::uint64_t least) {
    Usage grown;

    for (const auto& [name, count] : after) {
        const auto found = before.find(name);
        const std::uint64_t old_count = found == before.end() ? 0 : found->second;
        const bool grew_before = is_first_ || grown_.contains(name);

        if (grew_before && count >= old_count + least)
            grown[name] = count - old_count;
    }
    is_first_ = false;
    grown_ = std::move(grown);
}

std::string text_of(const Usage& usage) {
    std::string text;

    for (const auto& [name, count] : usage)
        text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + name;
    return text;
}

} // namespace check
