/* SPDX-License-Identifier: GPL-2.0 */
/* Ctrl-C ends the measuring, not the program: what was measured is still written. */
#pragma once

namespace bench {

/**
 * From now on SIGINT, SIGTERM and SIGHUP interrupt system calls and are
 * remembered. A second one of the same kind kills the program.
 */
void catch_signals();

/* The number of the signal that came, or 0. */
int caught_signal();

} // namespace bench
