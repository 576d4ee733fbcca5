/* SPDX-License-Identifier: GPL-2.0 */
/* What a process that will be killed reports to the process that kills it. */
#pragma once

#include <atomic>
#include <cstdint>

namespace testexp {

struct Progress {
    std::atomic<std::uint64_t> rounds{0};
};

/*
 * Each call makes an object in memory that this process shares with the processes that it forks.
 */
Progress& shared_progress();

} // namespace testexp
