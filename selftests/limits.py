# SPDX-License-Identifier: GPL-2.0
"""All limits of selftests/run, and what each guards.

None decides right or wrong by the clock: those in seconds end what hangs, the others wait for the kernel.
"""

# Ends a program that hangs: it printed no line for so long. A case prints one when it ends, and ends by itself
# after case_s (lib/client/limits.hpp), which is less. How long a program takes as a whole is not limited.
SILENCE_S = 1200

# Ends a program that prints without end, before the disk is full. All programs together print less than 1 MiB.
OUTPUT_BYTES = 64 << 20

# Ends a run when a program does not die of SIGKILL, as it hangs in the kernel: no program after it can be
# judged. A program that has nothing to do but to free its memory is gone within seconds on a busy machine.
KILL_S = 120

# How often it is looked whether the objects of a program that ended, or the module, are gone: the kernel
# releases some files a moment late. Between two looks there is a pause, and a process is started and waited
# for. That takes longer on a busy machine, as the kernel's own work does.
RELEASE_ROUNDS = 50
RELEASE_PAUSE_S = 0.1

# No guard: kmemleak leaves an object alone for 5 s after it was made.
KMEMLEAK_SETTLED_S = 6
