# SPDX-License-Identifier: GPL-2.0
"""What the kernel reports while programs run: its log, its taints, whether lockdep is on, and leaks from kmemleak."""
import collections
import os
import re
import time

import kernel_bugs
import limits

KMSG = "/dev/kmsg"
# A broken kernel may report without end, and faster than a program reads.
BUGS_KEPT = 100  # between two calls of new_bugs()
LINES_AT_ONCE = 1000  # that one call of read() judges
READS_AT_ONCE = 1000  # calls of read() for one call of new_bugs(); the lines after them are lost
LOST = kernel_bugs.NOT_JUDGED + "the kernel logged more than its buffer holds, so lines were lost"
KMEMLEAK = "/sys/kernel/debug/kmemleak"

# Expected taints: a WARNING and a soft lockup, which the log shows as well, an out-of-tree module, and an unsigned
# module.
TAINTS_EXPECTED = 1 << 9 | 1 << 14 | 1 << 12 | 1 << 13


class KernelLog:
    """Judges what the kernel logs from now on, and whether lockdep is still on.

    Reports that a test provokes are between two lines that the module prints. After lines were lost, nothing is judged
    until the next call of new_bugs(), because an announcement may be among the lost lines.
    """

    def __init__(self):
        self.judge = kernel_bugs.Judge()
        self.why = ""  # the reason why the log is not judged
        self.bugs = []  # all bugs that were found
        self.recent = collections.deque(maxlen=10)  # the last lines
        self.forget_bugs()
        try:
            self.fd = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK)
            os.lseek(self.fd, 0, os.SEEK_END)
        except OSError as error:
            self.fd = None
            self.why = f"{KMSG}: {error.strerror}"
        self.taints = self.read_taints()
        self.lockdep = self.read_lockdep()

    @staticmethod
    def read_lockdep():
        """1: on; 0: off, for example after a report; None: the kernel has no lockdep."""
        try:
            with open("/proc/lockdep_stats", encoding="ascii") as file:
                return int(re.search(r"debug_locks: +(\d)", file.read())[1])
        except FileNotFoundError:
            return None

    @staticmethod
    def read_taints():
        with open("/proc/sys/kernel/tainted", encoding="ascii") as file:
            return int(file.read()) & ~TAINTS_EXPECTED

    @property
    def announced(self):
        return self.judge.announced_bugs

    def new_lines(self):
        """Yields the lines since the last call. None stands for lines that the kernel overwrote before they were
        read."""
        while self.fd is not None:
            try:
                record = os.read(self.fd, 8192)
            except BrokenPipeError:
                yield None
                continue
            except BlockingIOError:
                return
            yield record.decode(errors="replace").split(";", 1)[1].split("\n", 1)[0]

    def forget_bugs(self):
        self.found, self.more, self.stopped, self.lost = [], 0, [], False  # since the last call of new_bugs()

    def read(self):
        """Judges new lines. Called while a program runs, before the kernel overwrites lines. Returns whether there may
        be more lines."""
        for number, line in enumerate(self.new_lines(), 1):
            if line is None:
                self.lost = True
            else:
                self.recent.append(line)
                self.keep(None if self.lost else self.judge.bug(line))
            if number == LINES_AT_ONCE:
                return True
        return False

    def keep(self, bug):
        if not bug:
            return
        if bug.startswith(kernel_bugs.NOT_JUDGED):
            self.stopped += [bug] * (bug not in self.stopped)
        elif len(self.found) < BUGS_KEPT:
            self.found.append(bug)
        else:
            self.more += 1

    def found_in_lines(self):
        if all(self.read() for _ in range(READS_AT_ONCE)):
            self.lost = True
        bugs = self.found + [f"and {self.more} more reports"] * bool(self.more) + self.stopped
        if self.lost:
            bugs.append(LOST)
            self.judge.forget()
        self.forget_bugs()
        return bugs

    def new_bugs(self):
        bugs = self.found_in_lines()
        if self.lockdep and not self.read_lockdep():
            self.lockdep = 0
            if not self.judge.lockdep_spent:
                # a bug that lockdep finds is in the log as well
                bugs.append(f"{kernel_bugs.NOT_JUDGED}lockdep went off, and no test has announced that: nothing finds "
                            "wrong locking any more")
        taints = self.read_taints()
        if taints != self.taints:
            bugs.append(f"kernel taint changed from {self.taints} to {taints}")
            self.taints = taints
        self.bugs += bugs
        return bugs

    def bugs_of_program(self):
        """The new bugs, at the end of a program: from now on nothing is announced any more."""
        bugs = self.new_bugs()
        if unended := self.judge.unended():
            bugs.append(unended)
            self.bugs.append(unended)
        self.judge.forget()
        return bugs

    def summary(self):
        return {"judged": not self.why, "why": self.why, "bugs": self.bugs, "announced": self.announced}


class LeakDetector:
    """Finds leaked objects of the kernel with kmemleak.

    Each report has a backtrace, and the name of the program as `comm`.
    """

    SHOWN = 10

    def __init__(self, path=None, wanted=True):
        self.path = path or KMEMLEAK
        self.usable = wanted and os.path.exists(self.path)
        self.wanted = wanted
        self.switched_off = False
        if not self.usable:
            return
        try:
            self.scan(2)
            self.tell("clear")
        except PermissionError:
            self.usable = False
            self.switched_off = True

    def tell(self, word):
        with open(self.path, "w", encoding="ascii") as file:
            file.write(word)

    def scan(self, times):
        for _ in range(times):
            self.tell("scan")

    @staticmethod
    def split(text):
        reports = re.split(r"^(?=unreferenced object )", text, flags=re.MULTILINE)
        return [report.rstrip() for report in reports if report.strip()]

    def new_leaks(self, settled=False):
        """The leaks since the last call. kmemleak reports objects that two scans found unreferenced.

        `settled`: all objects are old enough for kmemleak, so no pause is needed.
        """
        if not self.usable:
            return []
        try:
            if not settled:
                time.sleep(limits.KMEMLEAK_SETTLED_S)
            self.scan(2)
            with open(self.path, encoding="utf-8", errors="replace") as file:
                reports = self.split(file.read())
            self.tell("clear")
        except PermissionError:
            return [kernel_bugs.NOT_JUDGED + "kmemleak has stopped, so leaks were not found"]
        if len(reports) > self.SHOWN:
            reports[self.SHOWN:] = [f"and {len(reports) - self.SHOWN} more objects like these"]
        return ["kmemleak: " + report for report in reports]

    def summary(self):
        return {"judged": self.usable, "switched_off": self.switched_off, "wanted": self.wanted}
