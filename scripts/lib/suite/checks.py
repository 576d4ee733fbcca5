# SPDX-License-Identifier: GPL-2.0
"""The checks of a leg. Each check is counted, has a log of its own, and says in one line what failed."""
import contextlib
import dataclasses
import pathlib
import re
import subprocess
import tempfile

import core
import tap
import tests_json

LINES_SHOWN = 15  # of the log of a check that failed
NOTHING_PASSED = 4  # how selftests/run ends then


@dataclasses.dataclass
class Result:
    """How a leg went."""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    messages: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class NotSo(Exception):
    """Why a check failed."""


class Log:
    """The log of one check, and the commands whose output goes there."""

    def __init__(self, file):
        self.file = file

    def run(self, words, **options):
        """A command that must succeed."""
        status = core.call(words, **{"stdout": self.file, "stderr": subprocess.STDOUT, **options})
        if status != 0:
            raise NotSo(f"{words[0]} ended with status {status}")

    def expect(self, condition, why):
        if not condition:
            raise NotSo(why)


class Checks:
    """The checks of one leg. `directory` is the leg's own; `quick` asks for its short form, `named` says that the
    user named the leg."""

    def __init__(self, leg, directory, *, quick=False, named=False, results_of=lambda leg: None,
                 was_short=lambda leg: False):
        self.leg, self.directory, self.quick, self.named = leg, directory, quick, named
        self.results_of = results_of  # the directory of another leg that ran on this tree, or None
        self.was_short = was_short  # whether that leg ran in its short form
        self.result = Result()
        self.logs = directory / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)

    # --- counting -----------------------------------------------------------------------------------------------------

    def passes(self, number=1):
        self.result.passed += number

    def fails(self, name, why, log=None, number=1):
        """Counts a failure; says it in one line, with the end of its log."""
        if core.stopped():
            raise core.Stopped  # a child that we ended ourselves proves nothing
        self.result.failed += number
        message = f"FAILED {self.leg}: {name}: {why}" + (f" (log {log})" if log else "")
        self.result.messages.append(message)
        core.say("\n    ".join([message, *_last_lines(log)]))
        return False

    def skips(self, name, why):
        self.result.skipped += 1
        self.result.messages.append(f"skipped {self.leg}: {name}: {why}")
        core.say(self.result.messages[-1])

    def log(self, name):
        return self.logs / (re.sub(r"\W+", "_", name).strip("_") + ".log")

    @contextlib.contextmanager
    def scratch(self):
        """A directory that is gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="scratch.", dir=self.directory) as name:
            yield pathlib.Path(name)

    # --- kinds of checks ----------------------------------------------------------------------------------------------

    def holds(self, name, condition, why):
        if not condition:
            return self.fails(name, why)
        self.passes()
        return True

    def check(self, name, function):
        """A function that is given its Log, and raises NotSo or a Problem when what it checks does not hold."""
        log = self.log(name)
        try:
            with open(log, "w", encoding="utf-8") as file:
                function(Log(file))
        except (NotSo, core.Problem) as why:
            return self.fails(name, why, log)
        self.passes()
        return True

    def command(self, name, words, **options):
        """A command that must succeed."""
        return self.check(name, lambda log: log.run(words, **options))

    def tap(self, name, words, **options):
        """A command that prints TAP."""
        log = self.log(name)
        errors = log.with_suffix(".err")
        with open(log, "wb") as out, open(errors, "wb") as err:
            status = core.call(words, stdout=out, stderr=err, **options)
        judgement = tap.judge(log.read_text(errors="replace"), status)
        self.passes(judgement.passed)
        for line in judgement.skips:
            self.skips(name, line)
        for line in judgement.failures:
            self.fails(name, line)
        for fault in judgement.faults:
            self.fails(name, fault, errors)

    def native_tests(self, name, build, environment=None):
        """The tests of a build directory, run by ctest. A skipped test has to say what it requires."""
        log = self.log(name)
        status = core.call_logged(["ctest", "--test-dir", build, "--output-on-failure", "-j",
                                   str(core.processors())], log, env=environment)
        text, output = log.read_text(errors="replace"), ""
        with contextlib.suppress(OSError):
            # where the tests say how much they checked, and why they were skipped
            output = (build / "Testing/Temporary/LastTest.log").read_text(errors="replace")
            core.write_whole(log.with_suffix(".output"), output)
        totals = re.search(r"(\d+) tests? failed out of (\d+)", text)
        failed, number = (int(totals[1]), int(totals[2])) if totals else (0, 0)
        skipped = re.findall(r"^ *\d+/\d+ Test +#\d+: (\S+) .*\*\*\*Skipped", text, re.MULTILINE)
        self.passes(number - failed - len(skipped))
        for test in skipped:
            if why := _requirement(output, test):
                self.skips(f"{name}: {test}", why)
            else:
                self.fails(f"{name}: {test}", "skipped, but it does not say what it requires", log)
        if failed:
            self.fails(name, f"{failed} of {number} tests failed", log, failed)
        if number == 0 or (status != 0) != (failed > 0):
            self.fails(name, f"ctest ended with status {status} after {number} tests", log)

    def self_tests(self, name, ktap, status, log):
        """What selftests/run left in the directory `ktap`. It ended, or its guest did, with that status; None where
        nobody knows the status."""
        if status in core.GUEST_ENDS:
            self.fails(name, core.GUEST_ENDS[status], log)
        try:
            document = tests_json.load(ktap)
        except core.Problem as problem:
            return self.fails(name, problem, log)
        self.passes(document["passed"])
        self.result.skipped += document["skipped"]
        if document["failed"]:
            self.fails(name, "; ".join(_some(tests_json.failures(document))), log, document["failed"])
        expected = 1 if document["failed"] else 0 if document["passed"] else NOTHING_PASSED
        if status not in (None, expected, *core.GUEST_ENDS):
            self.fails(name, f"selftests/run ended with status {status} instead of {expected}", log)
        elif expected == NOTHING_PASSED:
            self.fails(name, "nothing was tested: all was skipped", log)
        return expected == 0 and status in (None, 0)

    def must_pass(self, ktap, *patterns):
        """Cases that a guest without some device would skip: one with a name that matches must have passed."""
        try:
            cases = tests_json.passed_cases(ktap)
        except core.Problem as problem:
            return self.fails(" ".join(patterns), problem)
        return all([
            self.holds(pattern, any(re.fullmatch(pattern, case)
                                    for case in cases), f"no such case passed in {ktap}")
            for pattern in patterns
        ])


def _requirement(output, test):
    """The line in which a skipped test says what it requires, or "". output: ctest's LastTest.log."""
    _, _, said = output.partition(f" Test: {test}\n")
    found = re.search(r"^requires .*", said.partition("<end of output>")[0], re.MULTILINE)
    return found[0] if found else ""


def _last_lines(log):
    if not log:
        return []
    with contextlib.suppress(OSError):
        return log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
    return []


def _some(lines, most=8):
    return lines[:most] + ([f"and {len(lines) - most} more"] if len(lines) > most else [])
