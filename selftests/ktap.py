# SPDX-License-Identifier: GPL-2.0
"""Reads KTAP: the output of one program, of a kernel's console, or of the kselftest runner.

The reader is strict, because output that stops short must never pass: whatever may be due to lost lines is a fault.
KTAP allows output without a plan, and a test without a result; here both are faults. Other lines are ignored.
selftests/unit/kunit_logs_test.py lists where kunit.py judges differently.
"""
import dataclasses
import re

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
SKIP_STATUS = 4

VERSION = re.compile(r"K?TAP version \d+$")
PLAN = re.compile(r"1\.\.(\d{1,9})(?:\s*#\s*SKIP\b\s*(.*))?$", re.IGNORECASE)
RESULT = re.compile(r"(not )?ok (\d{1,9})(?: +(?:- )?(.*))?$")
DAMAGED_RESULT = re.compile(r"not ok|ok \d{10}")  # where RESULT does not match
DIRECTIVE = re.compile(r"(.*?)\s*#\s*(SKIP|XFAIL|TODO|TIMEOUT|ERROR)\b:?\s*(.*)$", re.IGNORECASE)
SUBTEST = re.compile(r"# Subtest: (.*)$")
PROGRAM = re.compile(r"selftests: \S+: (\S+)")
PART_OF_KTAP = re.compile(r"K?TAP version|1\.\.[1-9]|(?:not )?ok\b|Bail out!")  # a plan of 0 hides no result
MAKE_FAILS = re.compile(r"\S*make(?:\[\d+\])?: \*\*\* ")

# A kernel that boots only to run its tests ends with one of these lines. Lines after it are not output of a test.
CONSOLE_ENDS = re.compile(r"\s*(?:List of all partitions:|Kernel panic - not syncing: VFS:|reboot: System halted)")

# The notes of a case are this many of its diagnostic lines, and this many characters of each.
MOST_NOTES, LONGEST_NOTE = 8, 300

WHOLE = "(all)"  # the name of the only case of a program that skipped as a whole


@dataclasses.dataclass
class Case:
    name: str
    verdict: str
    reason: str = ""  # of a skip, or the diagnostic lines before a failure
    lines: list = dataclasses.field(default_factory=list)  # the lines about a failure, as they were printed
    at: int = -1  # the number of its line
    notes: list = dataclasses.field(default_factory=list)  # of its diagnostic lines, whatever the verdict


@dataclasses.dataclass
class Output:
    """The output of a program. A fault is an error in the output itself."""
    cases: list = dataclasses.field(default_factory=list)
    faults: list = dataclasses.field(default_factory=list)
    starts_at: int = 0  # the number of the line with the plan
    planned: int | None = None

    def count(self, verdict):
        return sum(case.verdict == verdict for case in self.cases)

    def skipped_whole(self):
        return self.planned == 0 and self.count(SKIPPED) > 0

    def status(self):
        """The exit status that belongs to this output."""
        if self.count(FAILED):
            return 1
        return SKIP_STATUS if self.count(SKIPPED) and not self.count(PASSED) else 0


@dataclasses.dataclass
class _Level:
    """A test with its subtests, which are indented further. `plan` is None until the line with the plan."""
    indent: int
    name: str = ""
    plan: int | None = None
    results: int = 0
    cases: list = dataclasses.field(default_factory=list)
    names: set = dataclasses.field(default_factory=set)


def _start(lines):
    """The number of the first version line, the length of the prefix that a console puts before each line, and whether
    the line is that of a subtest. A prefix may end with one space, and two spaces or a tab indent a subtest."""
    for number, line in enumerate(lines):
        if match := re.search(r"(\s*)K?TAP version \d+$", line.rstrip()):
            indent = match[1] if len(match[1]) > 1 or match[1] == "\t" else ""
            return number, match.end(1), bool(indent)
    return 0, 0, False


class _Reader:
    def __init__(self):
        self.output = Output()
        self.levels = []
        self.said = []
        self.has_version = False

    def fault(self, text):
        self.output.faults.append(f"KTAP: {text}")

    def read(self, lines):
        start, prefix, is_subtest = _start(lines)
        if is_subtest:
            self.fault("the first version line is that of a subtest: the beginning is lost")
        if any(RESULT.match(text.lstrip()) for line in lines[:start] for text in (line, line.rstrip()[prefix:])):
            self.fault("a result stands before the version line")
        for at, line in enumerate(lines[start:], start):
            if CONSOLE_ENDS.search(line):
                break
            text = line.rstrip()[prefix:]
            self.line(at, text.lstrip(" \t"), len(text) - len(text.lstrip(" \t")))
        self.finish()
        return self.output

    def line(self, at, text, indent):
        if VERSION.match(text):
            self.version(indent)
        elif match := SUBTEST.match(text):
            self.level(indent).name = match[1]
        elif match := PLAN.match(text):
            self.plan(at, self.level(indent), match)
        elif match := RESULT.match(text):
            self.result(at, indent, match, text)
        elif text.startswith("Bail out!"):
            self.output.faults.append(text)
        elif DAMAGED_RESULT.match(text):
            self.fault(f"a result whose number is missing or too long: {text[:80]}")
        elif text.startswith("#"):
            self.said.append(text)

    def version(self, indent):
        if self.has_version and indent <= self.levels[0].indent:
            self.fault("a second version line: this is the output of two programs")
        self.has_version = True
        self.level(indent)

    def level(self, indent):
        """The test that a line belongs to, according to the line's indentation."""
        while len(self.levels) > 1 and self.levels[-1].indent > indent:
            lost = self.levels.pop()
            self.fault(f"the test '{lost.name}' has no result")
            self.levels[-1].cases += lost.cases
        if not self.levels or indent > self.levels[-1].indent:
            self.levels.append(_Level(indent))
        return self.levels[-1]

    def plan(self, at, level, match):
        if level.plan is not None or level.results:
            self.fault("the plan is not where it belongs, or there are two")
        level.plan = int(match[1])
        if level is self.levels[0]:
            self.output.starts_at = at
        if level.plan == 0 and match[2] is not None:
            level.cases.append(Case(WHOLE, SKIPPED, match[2] or "no reason", at=at))

    def result(self, at, indent, match, text):
        below = self.levels.pop() if len(self.levels) > 1 and self.levels[-1].indent > indent else None
        level = self.level(indent)
        level.results += 1
        if int(match[2]) != level.results:
            self.fault(f"result {match[2]} stands where {level.results} should")
        said = [line.lstrip("# ") for line in self.said]
        case = self.case(at, match, text, said)
        case.notes = [line[:LONGEST_NOTE] for line in said[:MOST_NOTES]]
        if case.name in level.names:
            self.fault(f"two cases are called '{case.name}'")
        level.names.add(case.name)
        if below:
            self.parent(level, below, case)
        else:
            level.cases.append(case)
        self.said = []

    def case(self, at, match, text, said):
        directive = DIRECTIVE.match(match[3] or "")
        name, word, reason = directive.groups() if directive else (match[3] or "", "", "")
        name = name.strip() or f"(number {match[2]})"
        if word.upper() == "SKIP":
            return Case(name, SKIPPED, reason.strip() or "no reason", at=at)
        if match[1] or word.upper() in ("TIMEOUT", "ERROR"):
            return Case(name, FAILED, "; ".join(filter(None, [*said, reason])), [*self.said, text], at)
        return Case(name, PASSED, reason, at=at)

    def parent(self, level, below, case):
        """Adds the subtests of `case` instead of the case, and checks that the case agrees with them."""
        self.close(below, case.name)
        failed = sum(one.verdict == FAILED for one in below.cases)
        if failed and case.verdict != FAILED:
            self.fault(f"'{case.name}' is ok, but {failed} of its cases failed")
        elif case.verdict == FAILED and not failed:
            self.fault(f"'{case.name}' is not ok, but none of its cases failed")
        for one in below.cases:
            one.name = f"{case.name}.{one.name}"
        level.cases += below.cases

    def close(self, level, name):
        """Checks that a test has as many results as it planned."""
        of = f"'{name}': " if name else ""
        if level.plan is None:
            self.fault(f"{of}no plan")
        elif level.plan != level.results:
            self.fault(f"{of}{level.results} results, but {level.plan} were planned")
        elif not level.cases:
            self.fault(f"{of}no case, and no word of why")

    def finish(self):
        if not self.has_version:
            self.fault("no version line")
        while len(self.levels) > 1:
            self.level(self.levels[-2].indent)
        top = self.levels[0] if self.levels else _Level(0)
        self.close(top, "")
        self.output.cases, self.output.planned = top.cases, top.plan


def read(text):
    """Reads the output of one program."""
    return _Reader().read(text.split("\n"))


@dataclasses.dataclass
class RunnerProgram:
    """A program in the output of the kselftest runner: its own lines, and its exit status or why there is none."""
    name: str
    text: str
    status: int | None
    fault: str

    def output(self):
        """The output of the program. A runner may skip a program without any KTAP."""
        if self.status == SKIP_STATUS and not any(map(PART_OF_KTAP.match, self.text.split("\n"))):
            return Output([Case(WHOLE, SKIPPED, "the runner says so, and the program says nothing")], planned=0)
        return read(self.text)


def _runner_status(not_ok, note):
    if not not_ok:
        return (SKIP_STATUS if re.match(r"SKIP\b", note) else 0), ""
    if match := re.match(r"exit=([1-9]\d{0,2})$", note):
        return int(match[1]), ""
    return None, f"the runner says: {note or 'not ok'}"


def _runner_result(match, inner):
    """Reads the runner's result line of one program.

    The line may lack the name, as in `ok 3 # SKIP`, or have it after the directive. The header has the name as well.
    """
    text = match[3] or ""
    named = PROGRAM.search(text) or next(filter(None, map(PROGRAM.match, inner)), None)
    note = re.search(r"# *([^#]*)$", PROGRAM.sub("", text))
    status, fault = _runner_status(match[1], note[1].strip() if note else "")
    lines = [line for line in inner if not PROGRAM.match(line)]
    name = named[1] if named else f"(program {match[2]})"
    return RunnerProgram(name, "".join(f"{line}\n" for line in lines), status, fault)


def is_runners(text):
    """Whether this is output of the kselftest runner and not of a single program."""
    return re.search(r"^(?:# |(?:not )?ok \d+ (?:# *SKIP *)?)selftests: \S+", text, re.MULTILINE) is not None


def read_runner(text):
    """The programs in the runner's output, and the faults of the runner's own lines. Other lines, as those of make that
    tell of no error, are ignored."""
    programs, faults, inner, plans = [], [], [], []
    for line in text.split("\n"):
        line = line.rstrip("\r")
        if line.startswith("# "):
            inner.append(line[2:])
        elif match := PLAN.match(line):
            plans.append(int(match[1]))
            inner = []
        elif match := RESULT.match(line):
            programs.append(_runner_result(match, inner))
            inner = []
        elif line.startswith("Bail out!"):
            faults.append(f"the runner says: {line}")
        elif MAKE_FAILS.match(line):
            faults.append(f"make failed, so tests may be missing: {line}; mend the build, or leave the target out")
    if not programs:
        faults.append("this has no result of the kselftest runner")
    elif sum(plans) != len(programs):
        faults.append(f"the runner tells of {len(programs)} programs, but {sum(plans)} were planned")
    return programs, faults
