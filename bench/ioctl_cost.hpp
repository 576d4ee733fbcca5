/* SPDX-License-Identifier: GPL-2.0 */
/* The baseline that only user space can measure: one ioctl, there and back. */
#pragma once

#include "testexp.hpp"

namespace bench {

/**
 * Measures TESTEXP_IOC_INFO as the module measures a path: batches of
 * @spec.ops_per_batch, the fastest counts. Of @spec, only the numbers of
 * operations and batches are used. The error is EINTR when a signal came.
 */
testexp::Result<testexp::Measurement> measure_ioctl(const testexp::Device& device,
                                                    const testexp::MeasureSpec& spec);

} // namespace bench
