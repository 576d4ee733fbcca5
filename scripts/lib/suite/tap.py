# SPDX-License-Identifier: GPL-2.0
"""Reads TAP strictly. A program that stops short, counts wrongly or ends with a status that its lines do not explain
has failed, whatever else it printed."""
import dataclasses
import re

RESULT = re.compile(r"(not )?ok\b *(\d{1,9}(?!\d))? *(?:- )?(.*)$")
SKIP = re.compile(r"# *skip\b", re.IGNORECASE)
PLAN = re.compile(r"1\.\.(\d{1,9}) *(# *skip\b.*)?$", re.IGNORECASE)


@dataclasses.dataclass
class Judgement:
    passed: int = 0
    failed: int = 0
    failures: list = dataclasses.field(default_factory=list)  # the lines "not ok"
    skips: list = dataclasses.field(default_factory=list)  # the lines that say what was skipped, and why
    faults: list = dataclasses.field(default_factory=list)  # what is wrong beyond them; each counts as one failure


def judge(text, status):
    """Judges the output of a program that ended with that status. Indented lines are subtests, whose result stands in
    a line that is not indented."""
    judgement, plans, results, late = Judgement(), [], 0, False
    for line in text.splitlines():
        if match := PLAN.fullmatch(line):
            plans.append(match)
            late = bool(results)
        elif line.startswith("Bail out!"):
            judgement.faults.append(line)
        elif match := RESULT.fullmatch(line):
            results += 1
            _take(judgement, match, results)
            if late:
                judgement.faults.append(f"result {results} stands after the plan at the end")
    judgement.faults += _plan_faults(plans, results)
    if plans and plans[0][2] and not results:
        judgement.skips = [plans[0][0]]
    if not (0 < status < 128 if judgement.failures else status == 0):
        judgement.faults.append(f"it ended with status {status}, and {judgement.failed} of its results are failures")
    return judgement


def _take(judgement, match, number):
    if not match[2]:
        judgement.faults.append(f"result {number} has no number: {match[0]}")
    elif int(match[2]) != number:
        judgement.faults.append(f"result {number} has number {match[2]}")
    if match[1]:
        judgement.failed += 1
        judgement.failures.append(match[0])
    elif SKIP.search(match[3]):
        judgement.skips.append(match[0])
    else:
        judgement.passed += 1


def _plan_faults(plans, results):
    if len(plans) != 1:
        return [f"{len(plans)} plans instead of one"]
    planned = int(plans[0][1])
    if planned != results:
        return [f"{results} results, and {planned} were planned"]
    return [] if results or plans[0][2] else ["nothing was planned"]
