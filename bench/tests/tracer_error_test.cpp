// SPDX-License-Identifier: GPL-2.0
#include "tracer_error.hpp"

#include <gtest/gtest.h>

using bench::check_seen;
using bench::describe_tracer_error;

TEST(TracerError, WhatAMachineLacksIsNoFailure) {
    EXPECT_EQ(describe_tracer_error({ENOENT, "bpftrace: not found"}),
              "requires bpftrace: not found");
    EXPECT_EQ(describe_tracer_error({EOPNOTSUPP, "BTF"}), "requires BTF");
}

TEST(TracerError, WhatFailsIsOne) {
    for (const int code : {EACCES, EINVAL, EPERM, E2BIG, EBUSY, EIO, ENOMEM, ETIMEDOUT})
        EXPECT_EQ(describe_tracer_error({code, "cannot load it"}), "cannot load it") << code;
}

TEST(TracerError, CallsThatTheProbeDidNotSeeAreOne) {
    EXPECT_TRUE(check_seen(100, 100, 0));
    EXPECT_TRUE(check_seen(100, 120, 0)); /* those of the warm-up */
    EXPECT_EQ(check_seen(100, 99, 0).error().what, "its probe counted 99 of 100 calls, and lost 0");
    EXPECT_EQ(check_seen(100, 120, 1).error().what,
              "its probe counted 120 of 100 calls, and lost 1");
}
