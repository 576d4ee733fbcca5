/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The time limits that several self-tests share. docs/time-limits.md says what each is for. No
 * limit decides whether the kernel is right: on a slow or busy machine a test only takes longer.
 */
#pragma once

#include <chrono>

namespace testexp::limits {

/*
 * Limits against a hang. What they limit takes a tenth of the time or less, even on emulated
 * processors that have other work. selftests/run waits longer than case_s for a line of output.
 */
inline constexpr unsigned int case_s = 1000;
inline constexpr unsigned int hung_task_s = 60; /* for a task that waits for a contended lock */
inline constexpr std::chrono::seconds unloading{60};
inline constexpr std::chrono::seconds signalling{20}; /* a fence of a buffer that has ended */
inline constexpr std::chrono::seconds dma{60};        /* 4 KiB by edu (100 ms); 254 pages by igb */

/*
 * How often a test tries again. It has to, when a fence expires or a pause ends before the test has
 * seen what happens meanwhile, and when other work of the machine takes memory.
 */
inline constexpr int attempts = 10;

/*
 * How long a test watches for something that must not happen: a call that must go on waiting, a
 * move that must not start. With a time that is too short, the test may miss a fault, but it never
 * fails a correct kernel.
 */
inline constexpr std::chrono::milliseconds for_a_wrong_end{200};
inline constexpr unsigned int pause_ms = 300; /* of a FILL that pauses in the kernel */

/* Between two polls of something that sends no event. */
inline constexpr std::chrono::milliseconds look_again{1};

} // namespace testexp::limits
