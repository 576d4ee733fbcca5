/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All limits in time of the self-tests. docs/time-limits.md says what each of them guards. None
 * decides whether the kernel is right: on a machine that is slow or busy a test takes longer, and
 * nothing else.
 */
#pragma once

#include <chrono>

namespace testexp::limits {

/*
 * Against a hang: what is guarded takes a tenth of it at most, on emulated processors that have
 * other work as well. selftests/run waits longer than case_s for a line of output.
 */
inline constexpr unsigned int case_s = 1000;
inline constexpr unsigned int hung_task_s = 60; /* a task that waits for a contended lock */
inline constexpr std::chrono::seconds unloading{60};

/*
 * How often a test is made again because a fence expired, or a pause ended, before it was seen
 * what happens meanwhile.
 */
inline constexpr int attempts = 10;

/*
 * Given to what must not happen: a call that must go on waiting, a move that must be kept out. If
 * it is too short for that, a fault is not seen; it never fails a kernel that is right.
 */
inline constexpr std::chrono::milliseconds for_a_wrong_end{200};
inline constexpr unsigned int pause_ms = 300; /* of a FILL; the kernel makes it */

/* Between two looks at something that has no event. */
inline constexpr std::chrono::milliseconds look_again{1};

} // namespace testexp::limits
