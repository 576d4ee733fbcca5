// SPDX-License-Identifier: GPL-2.0
#include "tracer_error.hpp"

#include <gtest/gtest.h>

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
