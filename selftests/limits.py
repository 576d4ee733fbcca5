# SPDX-License-Identifier: GPL-2.0
"""All limits of selftests/run, and what each limit is for.

No limit decides a verdict by the clock. Limits in seconds end what hangs; the others wait for the kernel.
"""

# Ends a program that prints no line for this time, because it hangs. A case prints a line when it ends, and is ended
# after case_s (lib/client/limits.hpp), which is shorter. The time of a whole program is not limited.
SILENCE_S = 1200

# Ends a program that prints endlessly, before the disk is full. All programs together print less than 1 MiB.
OUTPUT_BYTES = 64 << 20

# Ends the run when a program survives SIGKILL, because it hangs in the kernel and no later program could be judged.
# Even on a busy machine, a killed program that only frees its memory is gone within seconds.
KILL_S = 120

# How often selftests/run checks whether the objects of a program that has ended, or the module, are gone: the kernel
# releases some files a moment late. Between two checks it pauses, and starts a process and waits for it. On a busy
# machine this takes longer, just as the kernel's own work does.
RELEASE_ROUNDS = 50
RELEASE_PAUSE_S = 0.1

# kmemleak ignores an object for the first 5 s.
KMEMLEAK_SETTLED_S = 6
