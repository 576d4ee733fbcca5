/* SPDX-License-Identifier: GPL-2.0 */
/* What bench_probe says about a tracer that did not start, or that did not trace all calls. */
#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <variant>

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

/**
 * An error unless a probe has counted all calls, of which at least @made were made. Calls that it
 * did not see are cheaper, and the cost of a case is that of its cheapest calls.
 */
inline testexp::Status check_seen(std::uint64_t made, std::uint64_t counted, std::uint64_t lost) {
    if (counted >= made && lost == 0)
        return std::monostate{};
    return testexp::Error{EIO, "its probe counted " + std::to_string(counted) + " of " +
                                   std::to_string(made) + " calls, and lost " +
                                   std::to_string(lost)};
}

} // namespace bench
