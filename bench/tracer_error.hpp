/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bench_probe says of a tracer that it could not start.
 */
#pragma once

#include <cerrno>
#include <string>

#include "buffers.hpp"
#include "testexp.hpp"

namespace latency {

/**
 * Only what this machine does not have is no failure: no such program, no such function, no
 * BTF, no such kind of probe. A program that the verifier refuses, say, is a failure.
 */
inline std::string describe_tracer_error(const testexp::Error& error) {
    const bool is_lacking =
        error.code == ENOENT || error.code == ENODEV || error.code == EOPNOTSUPP;

    return is_lacking ? bench::requires_prefix + error.what : error.what;
}

} // namespace latency
