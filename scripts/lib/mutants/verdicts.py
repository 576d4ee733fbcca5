# SPDX-License-Identifier: GPL-2.0
"""What may be said of a fault after its programs ran. No verdict is better than what was seen.

A failed case, a program that ends wrong and a kernel that reports a bug are a find. A limit in time and a lost guest are none: the machine may have been
busy. Such a fault is tried once more, alone in a fresh guest, with more time, after the same program without the fault. If it hangs there again, in the same
program, and the program without the fault took a tenth of the limit at most, the fault makes it hang, which is a find. Anything else is an error.
"""

import collections

# verdict: killed, survived or error; by: the program; case: what failed first, or why there is no verdict; seconds: of trying, without building
Verdict = collections.namedtuple("Verdict", "verdict by case seconds")

# How a job went. runs: what guest.judge() said of the programs that ended, a few at a time, with their names and times. current: those that had begun when
# the guest ended, or ().
# end: how the guest ended while the job was on: None (it did not), "bug", "silent" (it told nothing for too long, or ran out of time), "lost". what: in words.
Attempt = collections.namedtuple("Attempt", "runs current end what")

GOOD = ("passed", "skipped")
TENTH = 10


def seconds_of(attempt):
    return round(sum(run["seconds"] for run in attempt.runs), 1)


def first_verdict(attempt):
    """The verdict of one attempt, or None: try again."""
    for run in attempt.runs:
        if run["outcome"] == "failed":
            return Verdict("killed", run["program"], run["found"], seconds_of(attempt))
    if attempt.end == "bug" and attempt.current:
        return Verdict("killed", attempt.current[-1], f"the guest's kernel ended: {attempt.what}", seconds_of(attempt))
    if attempt.end or any(run["outcome"] not in GOOD for run in attempt.runs):
        return None
    return Verdict("survived", None, None, seconds_of(attempt))


def hang_of(attempt):
    """({programs that may be it}, case or "", limit in seconds or None) that stopped an attempt without a verdict, or None when that was no hang."""
    for run in attempt.runs:
        if run["outcome"] == "hung":
            return {run["program"]}, run["case"], run["limit"]
    return (set(attempt.current), "", None) if attempt.end == "silent" and attempt.current else None


def stopped_in(attempt):
    """The programs at which an attempt ended without a verdict: one that is known, or those of which it may be any."""
    bad = [[run["program"]] if run["outcome"] == "hung" else run["names"]
           for run in attempt.runs if run["outcome"] not in GOOD]
    return bad[0] if bad else list(attempt.current)


def what_of(attempt):
    bad = [run["found"] for run in attempt.runs if run["outcome"] not in GOOD]
    return bad[0] if bad else attempt.what or "the guest ended before it"


def control_time(control, program, case):
    """How long the program, or the case alone where that is known, took without the fault; None: it did not pass."""
    for run in control.runs if control else []:
        if program in run["names"] and run["outcome"] == "passed":
            return run["times"].get(f"{program}/{case}") or run["times"].get(program) or run["seconds"]
    return None


def twice(first, second):
    return (f"twice without a verdict: {what_of(first)}; "
            f"then: {what_of(second) if second else 'the guest did not come to it'}")


def second_verdict(first, control, second, silence):
    """The verdict of the second attempt, which is the last. `control`: the same program without the fault, just before. `silence`: after how many seconds
    a guest that tells nothing is ended."""
    program = next(iter(stopped_in(second or first)), None)
    verdict = control and first_verdict(control)
    if not verdict or verdict.verdict != "survived":
        return Verdict("error", program, f"{what_of(first)}; then the program did not pass without the fault either",
                       None)
    if second and first_verdict(second):
        return first_verdict(second)
    before, again = hang_of(first), second and hang_of(second)
    if not before or not again or not again[0] <= before[0] or (before[1] and again[1] and before[1] != again[1]):
        return Verdict("error", program, twice(first, second), None)
    limit = again[2] or silence
    took = control_time(control, program, again[1])
    if took is None or took * TENTH > limit:
        return Verdict("error", program, f"hung twice; but without the fault it took {took} s of {limit} s, "
                       "so the machine may be slow", None)
    return Verdict("killed", program, f"hangs, twice: {what_of(second)}; without the fault it took {took} s", None)


def controls_passed(expected, verdicts):
    """Whether each control that had to run is there and passed. A control that vanished is none that passed."""
    return all(name in verdicts and verdicts[name].verdict == "survived" for name in expected)
