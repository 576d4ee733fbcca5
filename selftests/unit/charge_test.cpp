// SPDX-License-Identifier: GPL-2.0
/*
 * Claim: charge_add() of the module counts up to the limit and not beyond. A refused request makes
 * no other request fail. A granted request makes another fail only if both together exceed the
 * limit.
 *
 * Method: the module's memory.h unchanged, with atomic operations that let another request run
 * from beginning to end before each of them. A charge that counts
 * first and checks afterwards shows that the method finds the fault.
 */
#include <cerrno>
#include <functional>
#include <utility>

#include <gtest/gtest.h>

#include "exporter/memory.h"

namespace {

std::function<void(atomic64_t&)> others; /* the request that runs between two steps */

} // namespace

extern "C" void others_run(atomic64_t* v) {
    /* The other request takes steps as well, but no third request runs between those. */
    if (const auto now = std::exchange(others, nullptr)) {
        now(*v);
        others = now;
    }
}

namespace {

constexpr u64 limit = 100;

using Charge = int (*)(atomic64_t*, u64, u64);

/* The fault: pages beyond the limit are counted until the check. */
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

/* The number of small requests that fail between the steps of a large, refused request. */
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

/* Another request takes @theirs of 10 pages first. Returns the result of a request for 5 pages. */
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
