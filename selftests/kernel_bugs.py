# SPDX-License-Identifier: GPL-2.0
"""Finds the lines of a kernel log that report a bug, for the judge of a program and the judge of a guest's console.

iommu_faults.py judges what an IOMMU reports.
"""
import re

import iommu_faults

# The prefix of a message on a console: "[   12.345678][  T123] ".
CONSOLE_PREFIX = re.compile(r"\[[ \d.]+\](?:\[ *[TC]\d+\])? ")

# Reports of the kernel's own clocks: a task, a processor or a grace period made no progress for some time. A machine
# that had no time for a guest causes these as well.
STALL = re.compile(r"INFO: (?:task .* blocked |rcu)|BUG: (?:soft|workqueue) lockup|(?:CPU\d+: )?Watchdog detected ")

# How messages about bugs begin. A subsystem's name may come first, as in "rcu: INFO: ..." and "NMI watchdog: ...".
# "RETBleed: WARNING: ..." of the boot is no bug.
BUG = re.compile(
    r"(?:(?:NMI )?[\w-]+: )?(?:"
    r"BUG: |kernel BUG at |BUG [\w:-]+ \(|\[ BUG: |Oops\b|Kernel panic - |PANIC: |"
    r"general protection fault|stack segment|divide error|invalid opcode|double fault|"
    rf"INFO: (?:possible |trying to register |lockdep is turned off)|{STALL.pattern}|"
    r"KASAN: |KCSAN: |KFENCE: |UBSAN: |refcount_t: |list_(?:add|del) corruption)|"
    # a checker that starts is no bug
    r"kmemleak: (?!Kernel memory leak detector initialized|Automatic memory scanning)|"
    r"DMA-API: (?!preallocated |debugging (?:enabled|disabled on)|dma_debug_entry pool grown|enable driver filter)")

# A checker of the kernel has stopped. What it would have found is unknown.
STOPPED = re.compile(
    r"kmemleak: (?:Kernel memory leak detector disabled|Cannot allocate a kmemleak_object|Memory pool empty)|"
    r"DMA-API: (?:debugging out of memory - disabling|cacheline tracking ENOMEM)|INFO: lockdep is turned off|"
    r"BUG: MAX_(?:LOCKDEP_\w+|STACK_TRACE_ENTRIES) too low!")

# A complaint with this text says only that a test or the judge did not see something. The run fails, and a hunt for
# faults takes no verdict from the complaint.
NOT_JUDGED = "not judged: "

# Includes reports of lockdep and RCU. Tests announce the ones that they provoke.
WARNING = re.compile(r"WARNING: ")


def message(console_line):
    """The message in a line of a console, or "" if the line is not from the kernel."""
    prefix = CONSOLE_PREFIX.match(console_line)
    return console_line[prefix.end():] if prefix else ""


def is_stall(bug):
    """Whether a clock reports this bug. Such a bug fails a run, but a hunt for faults takes the bug for a hang."""
    return bool(STALL.search(bug))


# The module prints these lines before and after a call that must give a report: WARNINGs, which the test counts, or
# one splat with this text.
EXPECT = re.compile(r"(?:[\w-]+: )?expect-(warning|splat): (?:begin(?: (.+))?|end)$")


class Judge:
    """Follows the messages of a kernel log and returns the bugs that no test has announced."""

    def __init__(self):
        self.kind = self.text = None  # of the current announcement
        self.found = 0
        self.announced_bugs = 0  # bugs that a test had announced
        self.lockdep_spent = False  # lockdep has switched itself off after a report that was announced
        self.iommu = iommu_faults.Judge()

    def bug(self, message):
        """The bug that this message reports, or None."""
        if match := EXPECT.match(message):
            return self.announced(match)
        announced_faults = self.iommu.announced_faults
        if bug := self.iommu.bug(message):
            return bug
        self.announced_bugs += self.iommu.announced_faults - announced_faults
        if STOPPED.match(message):
            return NOT_JUDGED + message
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

    def forget(self):
        """Ends all announcements without a bug: their ends may be among lines that were lost."""
        self.kind = self.text = None
        self.iommu.forget()

    def unended(self):
        """The bug that an announcement has no end where there must be one: at the end of a program or of the log."""
        return self.iommu.forget() or ("the log ends within what a test had announced" if self.kind else None)


def bugs_in(lines):
    """Yields the bugs in lines of a console, with the kernel's time stamp where a single line reports a bug."""
    judge = Judge()
    for line in lines:
        if bug := judge.bug(message(line)):
            yield bug.replace(message(line), line) if message(line) in bug else bug


def judge_text(text):
    """Judges a whole log in the format of `dmesg`. Returns the content of kernel-log.json.

    A log without a line from the kernel is not judged.
    """
    judge = Judge()
    lines = [line for line in text.splitlines() if CONSOLE_PREFIX.match(line)]
    bugs = []
    for line in lines:
        if bug := judge.bug(message(line)):
            bugs.append(line if bug in line else bug)
    if unended := judge.unended():
        bugs.append(unended)
    why = "" if lines else "the log has no line with the kernel's time stamp"
    return {"judged": bool(lines), "why": why, "bugs": bugs, "announced": judge.announced_bugs}
