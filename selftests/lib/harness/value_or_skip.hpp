/* SPDX-License-Identifier: GPL-2.0 */
/* For calls that may need what this machine lacks. */
#pragma once

#include <cerrno>
#include <utility>

#include "ksft.hpp"
#include "testexp.hpp"

namespace testexp {

/* Skips where this machine lacks something. Any other error is a failure. */
template <typename T> T value_or_skip(Result<T> result) {
    if (result.code() == EOPNOTSUPP)
        ksft::skip("this machine lacks " + result.error().what);
    return std::move(result).value();
}

} // namespace testexp
