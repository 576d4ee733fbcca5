# SPDX-License-Identifier: GPL-2.0
"""Which lines of the kernel log say that the kernel found a bug. For all judges: of one program, and of a whole guest's console."""
import re

# What stands before the message on a console: "[   12.345678][  T123] ".
CONSOLE_PREFIX = re.compile(r"\[[ \d.]+\](?:\[ *[TC]\d+\])? ")

# Beginnings of messages: the boot's "RETBleed: WARNING: ..." is no bug. A subsystem's name may come first, as in "rcu: INFO: ...".
BUG = re.compile(
    r"(?:[\w-]+: )?(?:"
    r"BUG: |kernel BUG at |BUG [\w:-]+ \(|\[ BUG: |Oops\b|Kernel panic - |PANIC: |"
    r"general protection fault|stack segment|divide error|invalid opcode|double fault|"
    r"INFO: (?:possible |task .* blocked |trying to register |lockdep is turned off|rcu)|Watchdog detected |"
    r"KASAN: |KCSAN: |KFENCE: |UBSAN: |refcount_t: |list_(?:add|del) corruption)|"
    # what a checker says of its own start is no bug; that it stopped is, as nothing would be found any more
    r"kmemleak: (?!Kernel memory leak detector initialized|Automatic memory scanning)|"
    r"DMA-API: (?!preallocated |debugging (?:enabled|disabled on)|dma_debug_entry pool grown|enable driver filter)")

# Also lockdep's and RCU's splats. Those that a test announces are expected.
WARNING = re.compile(r"WARNING: ")


def message(console_line):
    """The message of a console's line; of a line that is none of the kernel's, nothing."""
    prefix = CONSOLE_PREFIX.match(console_line)
    return console_line[prefix.end():] if prefix else ""
