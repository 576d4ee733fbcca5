# SPDX-License-Identifier: GPL-2.0
"""All limits of selftests/run, and what each guards.

None decides right or wrong by the clock: those in seconds end what hangs, the others wait for the kernel.
"""

# Ends a program that hangs: it printed no line for so long. A case prints one when it ends, and the longest
# took less than 100 s on an emulated machine with a debug kernel and two busy loops a processor; ten times
# that. How long a program takes as a whole is not limited.
SILENCE_S = 1200

# Ends a program that prints without end, before the disk is full. All programs together print less than 1 MiB.
OUTPUT_BYTES = 64 << 20

# Ends a run when a program does not die of SIGKILL, as it hangs in the kernel: no program after it can be
# judged. Freeing all memory of a guest takes 2 s.
KILL_S = 120

# How often it is looked whether the objects of a program that ended, or the module, are gone: the kernel
# releases some files a moment late. Between two looks there is a pause, and a process is started and waited
# for. That takes longer on a busy machine, as the kernel's own work does.
RELEASE_ROUNDS = 50
RELEASE_PAUSE_S = 0.1

# No guard: kmemleak leaves an object alone for 5 s after it was made.
KMEMLEAK_SETTLED_S = 6
