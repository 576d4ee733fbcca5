/* SPDX-License-Identifier: GPL-2.0 */
/* The message of bench_probe about a tracer that it could not start. */
#pragma once

#include <cerrno>
#include <string>

#include "buffers.hpp"
#include "testexp.hpp"

namespace bench {

/**
 * A tracer that this machine lacks is not a failure: no such program, no such function, no
 * BTF, no such kind of probe. Any other error is a failure, for instance of the verifier.
 */
inline std::string describe_tracer_error(const testexp::Error& error) {
    const bool is_lacking =
        error.code == ENOENT || error.code == ENODEV || error.code == EOPNOTSUPP;

    return is_lacking ? requires_prefix + error.what : error.what;
}

} // namespace bench
