// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: a law of dmabuf-check that takes the pages away for good does so once, and by the user's
 * own command where there is one. All other ways are tried. It cannot see: what a way does.
 */
#include <gtest/gtest.h>

#include "ways.hpp"

using namespace check;

namespace {

Invalidation way(const std::string& name, bool gives_back, bool is_move = false) {
    return {.name = name,
            .take = [] {},
            .give_back = gives_back ? [] {} : std::function<void()>(),
            .is_move = is_move};
}

std::string names_of(const std::vector<const Invalidation*>& ways) {
    std::string names;

    for (const Invalidation* one : ways)
        names += one->name + " ";
    return names;
}

TEST(Ways, TheUsersCommandReplacesOtherFinalWays) {
    const std::vector<Invalidation> ways = {way("reset", false, true), way("decode", true),
                                            way("close", false), way("command", false)};

    EXPECT_EQ(names_of(ways_that_end(ways)), "reset decode ");
    EXPECT_EQ(names_of(way_for_good(ways)), "command ");
    EXPECT_EQ(names_of(way_for_good({ways.data(), 3})), "close ");
    EXPECT_EQ(names_of(way_for_good({ways.data(), 2})), "");
}

TEST(Ways, NoRevokeIsAMove) {
    const std::vector<Invalidation> ways = {way("reset", false, true), way("decode", true),
                                            way("close", false)};

    EXPECT_EQ(names_of(revokes_that_end(ways)), "decode ");
}

TEST(Ways, CallbacksAreAsManyAsPromisedOrAtLeastOne) {
    EXPECT_FALSE(callbacks_fault(1, 1));
    EXPECT_FALSE(callbacks_fault(2, 2));
    EXPECT_EQ(callbacks_fault(1, 0), "the callback came 0 times, must be 1");
    EXPECT_EQ(callbacks_fault(1, 2), "the callback came 2 times, must be 1");
    EXPECT_FALSE(callbacks_fault(std::nullopt, 1));
    EXPECT_FALSE(callbacks_fault(std::nullopt, 7));
    EXPECT_EQ(callbacks_fault(std::nullopt, 0), "the callback came 0 times, must be 1 or more");
}

} // namespace
