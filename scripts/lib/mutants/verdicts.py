# SPDX-License-Identifier: GPL-2.0
"""Decides the verdict of a fault after its programs ran. A verdict never claims more than the programs showed.

A failed case, a program that ends with an error, or a kernel that reports a bug finds the fault. A timeout, a stall
that a clock of the kernel reports, or a lost guest does not, because the machine may have been busy. The fault is then
tried once more, alone in a new guest, with more time, after the same program without the fault. The fault is also found
if it hangs again in the same place, and the program without the fault took at most a tenth of the limit. A fault that
hangs in another place the second time is tried once more, and the second and the third attempt are compared in the same
way. Every other result is an error.
"""

import collections
import itertools

from guest import STALL_S, kernel_bugs

# verdict: killed, survived, error, or elsewhere (see Record.elsewhere()); by: the program that found the fault; case:
# the first failure, or why there is no verdict; seconds: the time of the programs, without the build; before: the
# programs that ran in one group with the program `by`, before it, so that one of them may have found the fault
Verdict = collections.namedtuple("Verdict", "verdict by case seconds before", defaults=((),))

# The result of one attempt at a job.
# runs: the outcomes from guest.judge() of the programs that ended, with their names and times
# current: the programs that were running when the guest ended, or ()
# end: how the guest ended during the job: None (it did not end), "bug", "silent" (it printed nothing for too long, or
#     timed out) or "lost"
# what: the end of the guest in words
Attempt = collections.namedtuple("Attempt", "runs current end what")

GOOD = ("passed", "skipped")
TENTH = 10


def seconds_of(attempt):
    return round(sum(run["seconds"] for run in attempt.runs), 1)


def first_verdict(attempt):
    """Returns the verdict of one attempt. None means: try again."""
    for run in attempt.runs:
        if run["outcome"] == "failed":
            before = tuple(itertools.takewhile(lambda name, run=run: name != run["program"], run["names"]))
            return Verdict("killed", run["program"], run["found"], seconds_of(attempt), before)
    if attempt.end == "bug" and attempt.current and not kernel_bugs.is_stall(attempt.what):
        return Verdict("killed", attempt.current[-1], f"the guest's kernel ended: {attempt.what}", seconds_of(attempt),
                       attempt.current[:-1])
    if attempt.end or any(run["outcome"] not in GOOD for run in attempt.runs):
        return None
    return Verdict("survived", None, None, seconds_of(attempt))


def hang_of(attempt):
    """Returns ({programs that may hang}, case or "", limit in seconds or None), or None if the attempt did not hang."""
    for run in attempt.runs:
        if run["outcome"] == "hung":
            return {run["program"]}, run["case"], run["limit"]
    if attempt.current and (attempt.end == "silent" or attempt.end == "bug" and kernel_bugs.is_stall(attempt.what)):
        return set(attempt.current), "", STALL_S if attempt.end == "bug" else None
    return None


def stopped_in(attempt):
    """Returns the programs that may have ended an attempt without a verdict: a single program if it is known."""
    bad = [[run["program"]] if run["outcome"] == "hung" else run["names"]
           for run in attempt.runs if run["outcome"] not in GOOD]
    return bad[0] if bad else list(attempt.current)


def what_of(attempt):
    bad = [run["found"] for run in attempt.runs if run["outcome"] not in GOOD]
    return bad[0] if bad else attempt.what or "the guest ended before the programs began"


def control_time(control, program, case):
    """Returns the seconds of the case, or else of the program, without the fault; None: the program did not pass."""
    for run in control.runs if control else []:
        if program in run["names"] and run["outcome"] == "passed":
            return run["times"].get(f"{program}/{case}") or run["times"].get(program) or run["seconds"]
    return None


def twice(first, second):
    return (f"twice without a verdict: {what_of(first)}; "
            f"then: {what_of(second) if second else 'the guest ended before this job'}")


def same_place(before, again):
    """Returns whether two hangs may have the same cause: the same program, and the same case where both are known."""
    return again[0] <= before[0] and not (before[1] and again[1] and before[1] != again[1])


def hangs_elsewhere(first, second):
    """Returns whether both attempts hung, each in another program or case."""
    before, again = hang_of(first), second and hang_of(second)
    return bool(before and again and not first_verdict(second) and not same_place(before, again))


def slow_seconds(first, control, second, silence):
    """Returns the seconds that the control took, where both attempts hung in the same place and only the time of the
    control speaks against a kill; else None. More time does not change the kernel's clock for stalls."""
    before, again = hang_of(first), second and hang_of(second)
    passed = control and first_verdict(control)
    if not before or not again or not same_place(before, again) or not passed or passed.verdict != "survived":
        return None
    took = control_time(control, next(iter(stopped_in(second)), None), again[1])
    return took if took and again[2] != STALL_S and took * TENTH > (again[2] or silence) else None


def second_verdict(first, control, second, silence):
    """Returns the verdict of an attempt with its control, after an attempt without a verdict.

    control: the attempt at the same program without the fault, just before. silence: the limit in seconds for a guest
    that prints nothing.
    """
    program = next(iter(stopped_in(second or first)), None)
    verdict = control and first_verdict(control)
    if not verdict or verdict.verdict != "survived":
        return Verdict("error", program, f"{what_of(first)}; then the program did not pass without the fault",
                       None)
    if second and first_verdict(second):
        return first_verdict(second)
    before, again = hang_of(first), second and hang_of(second)
    if not before or not again or not same_place(before, again):
        return Verdict("error", program, twice(first, second), None)
    limit = again[2] or silence
    took = control_time(control, program, again[1])
    if took is None or took * TENTH > limit:
        return Verdict("error", program, f"hung twice, but without the fault the program took {took} s of {limit} s, "
                       "so the machine may be slow", None)
    return Verdict("killed", program, f"hangs twice: {what_of(second)}; without the fault the program took {took} s",
                   None)


def controls_passed(expected, verdicts):
    """Returns whether each expected control passed. A missing control has not passed."""
    return all(name in verdicts and verdicts[name].verdict == "survived" for name in expected)
