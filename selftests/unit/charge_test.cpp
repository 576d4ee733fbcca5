// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: charge_add() of the module counts up to the limit and not beyond it; and a request that
 * is refused makes no other fail, nor does one that succeeds, unless both together are too much.
 *
 * Method: memory.h as it is, with atomic operations that let another request come and go before
 * each of them: whatever is in between two steps is met for certain. A charge that counts first
 * and checks then shows that the method sees it.
 */
#include <cerrno>
#include <functional>
#include <utility>

#include <gtest/gtest.h>

#include "exporter/memory.h"

namespace {

std::function<void(atomic64_t&)> others; /* who come between two steps */

} // namespace

extern "C" void others_run(atomic64_t* v) {
    /* What others do has steps as well, but nobody comes between those. */
    if (const auto now = std::exchange(others, nullptr)) {
        now(*v);
        others = now;
    }
}

namespace {

constexpr u64 limit = 100;

using Charge = int (*)(atomic64_t*, u64, u64);

/* The fault: what is too much is counted until it is seen to be. */
int charge_before_check(atomic64_t* used, u64 most, u64 nr) {
    if (atomic64_add_return(static_cast<s64>(nr), used) <= static_cast<s64>(most))
        return 0;
    atomic64_sub(static_cast<s64>(nr), used);
    return -ENOSPC;
}

class ChargeTest : public testing::Test {
protected:
    ~ChargeTest() override { others = nullptr; }

    atomic64_t used{90};
};

TEST_F(ChargeTest, UpToTheLimit) {
    EXPECT_EQ(charge_add(&used, limit, 0), 0);
    EXPECT_EQ(charge_add(&used, limit, 11), -ENOSPC);
    EXPECT_EQ(charge_add(&used, limit, ~u64{0}), -ENOSPC);
    EXPECT_EQ(used.counter, 90);
    EXPECT_EQ(charge_add(&used, limit, 10), 0);
    EXPECT_EQ(used.counter, 100);
    EXPECT_EQ(charge_add(&used, limit, 1), -ENOSPC);
    EXPECT_EQ(charge_add(&used, limit, 0), 0);
}

/* How many small requests failed between the steps of a large one that is refused. */
unsigned int failed_beside(Charge charge, atomic64_t& used, u64 large) {
    unsigned int failed = 0;
    unsigned int made = 0;

    others = [&](atomic64_t& v) {
        made++;
        if (charge(&v, limit, 1) == 0)
            atomic64_sub(1, &v);
        else
            failed++;
    };
    EXPECT_EQ(charge(&used, limit, large), -ENOSPC);
    EXPECT_GT(made, 0U);
    return failed;
}

TEST_F(ChargeTest, RefusedHarmsNobody) {
    for (const u64 large : {u64{11}, limit, ~u64{0} >> 2})
        EXPECT_EQ(failed_beside(charge_add, used, large), 0U);
    EXPECT_EQ(used.counter, 90);
}

TEST_F(ChargeTest, SeesWhatIsCountedBeforeItIsChecked) {
    EXPECT_GT(failed_beside(charge_before_check, used, limit), 0U);
    EXPECT_EQ(used.counter, 90);
}

/* Another takes @theirs between the look and the count. Returns what becomes of the 5 of 10. */
int beside_another(atomic64_t& used, u64 theirs) {
    int steps = 0;
    int other = -1;

    others = [&](atomic64_t& v) {
        if (++steps == 2)
            other = charge_add(&v, limit, theirs);
    };

    const int code = charge_add(&used, limit, 5);

    EXPECT_EQ(other, 0);
    return code;
}

TEST_F(ChargeTest, LosesARace) {
    EXPECT_EQ(beside_another(used, 8), -ENOSPC);
    EXPECT_EQ(used.counter, 98);
}

TEST_F(ChargeTest, WinsARace) {
    EXPECT_EQ(beside_another(used, 4), 0);
    EXPECT_EQ(used.counter, 99);
}

} // namespace
