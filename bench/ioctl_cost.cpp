// SPDX-License-Identifier: GPL-2.0
#include "ioctl_cost.hpp"

#include <sys/ioctl.h>

#include "clock.hpp"
#include "hist.hpp"
#include "signals.hpp"

namespace bench {

namespace {

/* Ticks of @ops ioctls. */
testexp::Result<std::uint64_t> run_batch(int fd, std::uint32_t ops) {
    testexp_info info{};
    int failures = 0;

    info.size = sizeof(info);

    const std::uint64_t before = read_clock();

    for (; ops > 0; ops--)
        failures += ioctl(fd, TESTEXP_IOC_INFO, &info) != 0 ? 1 : 0;

    const std::uint64_t ticks = read_clock() - before;

    if (failures != 0)
        return testexp::errno_error("INFO");
    return ticks;
}

} // namespace

testexp::Result<testexp::Measurement> measure_ioctl(const testexp::Device& device,
                                                    const testexp::MeasureSpec& spec) {
    testexp::Measurement result{{}, testexp::empty_hist()};
    testexp_measure& totals = result.totals;

    totals.ops_per_batch = spec.ops_per_batch;
    totals.batches = spec.batches;
    totals.ops = spec.batches * spec.ops_per_batch;
    totals.clock_cost_ticks = clock_cost();

    for (std::uint64_t batch = 0; batch < spec.warmup_batches + spec.batches; batch++) {
        const testexp::Result<std::uint64_t> ticks = run_batch(device.fd(), spec.ops_per_batch);

        if (!ticks)
            return ticks.error();
        if (caught_signal() != 0)
            return testexp::Error{EINTR, "interrupted"};
        if (batch >= spec.warmup_batches)
            testexp_hist_add(&result.hist, ticks.value());
    }
    totals.ticks = result.hist.sum;
    totals.min_batch_ticks = result.hist.min;
    return result;
}

} // namespace bench
