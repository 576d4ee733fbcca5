# SPDX-License-Identifier: GPL-2.0
"""Which lines of the kernel log say that the kernel found a bug.

For all judges: of one program, and of a whole guest's console.
"""
import re

# What stands before the message on a console: "[   12.345678][  T123] ".
CONSOLE_PREFIX = re.compile(r"\[[ \d.]+\](?:\[ *[TC]\d+\])? ")

# Beginnings of messages: the boot's "RETBleed: WARNING: ..." is no bug. A subsystem's name may come first, as
# in "rcu: INFO: ...".
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


# What the module prints around a call that the kernel has to object to: any number of WARNINGs, which the
# test counts, or one splat with this text.
EXPECT = re.compile(r"(?:[\w-]+: )?expect-(warning|splat): (?:begin(?: (.+))?|end)$")


class Judge:
    """Follows the messages of a kernel log, and tells those bugs that no test has announced."""

    def __init__(self):
        self.kind = self.text = None  # of the announcement that is in force
        self.found = 0
        self.announced_bugs = 0  # those that came as a test had announced
        self.lockdep_spent = False  # lockdep reports one bug of locking and then goes off: that one was announced

    def bug(self, message):
        """What is wrong with this message, or None."""
        if match := EXPECT.match(message):
            return self.announced(match)
        if not (BUG.match(message) or WARNING.match(message)):
            return None
        if self.kind == "splat" and self.text in message:
            self.found += 1
        elif self.kind != "warning" or not WARNING.match(message):
            return message
        self.announced_bugs += 1
        return None

    def announced(self, match):
        kind, text, found = self.kind, self.text, self.found
        begins = "begin" in match[0]
        self.kind, self.text, self.found = (match[1], match[2] or "", 0) if begins else (None, None, 0)
        if begins or kind != "splat":
            return None
        self.lockdep_spent = self.lockdep_spent or (found == 1 and text.startswith("possible "))
        return None if found == 1 else f"'{text}' was announced, but reported {found} times"


def judge_text(text):
    """What a whole log says, as `dmesg` prints one: the value of a kernel-log.json.

    A log without a line of the kernel's is not judged.
    """
    judge = Judge()
    lines = [line for line in text.splitlines() if CONSOLE_PREFIX.match(line)]
    bugs = []
    for line in lines:
        if bug := judge.bug(message(line)):
            bugs.append(line if bug in line else bug)
    if judge.kind:
        bugs.append("the log ends within what a test had announced")
    why = "" if lines else "the log has no line with the kernel's time stamp"
    return {"judged": bool(lines), "why": why, "bugs": bugs, "announced": judge.announced_bugs}
